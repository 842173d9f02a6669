"""What a mapping costs, beside the least that any mapping takes."""
