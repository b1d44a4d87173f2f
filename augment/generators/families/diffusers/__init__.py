"""Pipeline folders of diffusers, hosted by that library, after every setting has been judged."""
