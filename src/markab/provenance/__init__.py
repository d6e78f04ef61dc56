"""Plan and journal, projected into a database for SQL queries.

    run_database.py       the database of a run, brought up to date: begin here
    queries.py            the queries of reports, with summary_query.py and query_parts.py; results in results.py
    projection.py         plan and journal into rows: plan_rows.py, attempt_rows.py, stampede_states.py
    schema.py             the tables
    row_writer.py         inserting many rows
    database_location.py  where the database is; database.py and database_file.py open it
    precheck.py           whether a database looks usable, without opening it
    follower.py           beside a running engine: update.py, jobstate_log.py, master_database.py

Importing this package imports nothing; commands that must start quickly import only `follower.py` and `precheck.py`.
"""
