"""Machine code from LLVM: instructions, compiled once per content, for engines and emulators."""
