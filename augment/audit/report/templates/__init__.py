"""What the page is made of: a template, a style sheet and two scripts. No code."""
