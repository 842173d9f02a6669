"""The native engine: integer networks as machine code made by LLVM, exact by construction."""
