"""What the chip is: its words bit by bit, its cores, and the blocks of its quad tree."""
