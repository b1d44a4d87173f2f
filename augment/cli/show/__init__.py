"""What people see: the terminal while a verb works, and its tables afterwards."""
