"""What the command line shows and does of builds for DYNAP-CNN and Speck."""
