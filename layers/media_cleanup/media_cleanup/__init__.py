"""What the functions are made of: event → requests → media → signed call → outcome → report → answer."""
