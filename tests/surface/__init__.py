"""What others build on, compared with what the last release had: `make surface`.

    present.py     the surface now, by introspection: `names.py` for Python, `grammar.py` for the
                   command line, `published.py` for schemas, tables, metrics and the rest
    recorded.json  the surface of the last release, written by `make surface-record` alone
    compare.py     two surfaces in, what broke and what was added out; `schemas.py` for JSON Schemas
    record.py      the file, and which release it has to be of

It stands with the tests, because it is of no use to who installs augment; the record stands beside
its reader, because schemas/ holds what is published and nothing else.
"""
