"""A file for each notebook, so that one can be run by itself within minutes."""


def test_runs_and_says_what_it_prints(faults_of_notebook):
    assert faults_of_notebook == []
