"""`make doctor STACK=…`: reads a deployed stack, changes nothing, and names the fix of each problem."""
