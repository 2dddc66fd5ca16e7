# Of what `go test -v` said: each package and the tests of it that failed, as PACKAGE A|B|C. Nothing at all where something failed that is no
# test, or that another try would hide: a data race, a panic, a build, a package that ended otherwise.
/WARNING: DATA RACE|^panic: |^fatal error: |\[build failed\]|\[setup failed\]|^signal: |goleak/ { hopeless = 1 }
/^--- FAIL: / { tests = tests (tests == "" ? "" : "|") $3; next }
/^(ok|\?) / || /^(ok|\?)\t/ { tests = "" }
/^FAIL\t/ { if (tests == "") hopeless = 1; else lines = lines $2 " " tests "\n"; tests = "" }
END { if (!hopeless) printf "%s", lines }
