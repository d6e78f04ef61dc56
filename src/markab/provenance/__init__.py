"""Plan and journal, projected into a database that can be asked with SQL.

    opening.py        open the database of a run, brought up to date: begin here
    queries.py        what reports ask of it, with counting.py and asking.py; answers.py has the answers
    projection.py     plan and journal into rows: planned.py, happened.py, states.py
    schema.py         the tables
    writer.py         rows into them, in masses
    tail.py           the journal, read from outside; records.py is what is read of it
    target.py         where the database is; database.py and database_file.py open it
    glance.py         is there anything wrong with a database, before opening it
    follow.py         beside a running engine: keeping.py, jobstate_log.py, master.py

Importing this imports nothing; only `follow.py`, `glance.py` and `tail.py` may be imported by what starts quickly.
"""
