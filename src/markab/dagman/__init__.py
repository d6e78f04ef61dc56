"""Plans that HTCondor's DAGMan runs: the DAG that is written, and the steps by which its nodes keep the records of the run."""
