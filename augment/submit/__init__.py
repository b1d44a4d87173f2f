"""A job sent to a cluster: what of it travels (`bundle`), the command that runs it there
(`entrypoint`, `again`), and the two ways of sending it: to a cluster that runs (`jobs_api`, the
only module here that knows Ray), or as a Kubernetes object that brings its own (`rayjob`).
Runs no job itself.
"""
