# What each failed test said, for whoever sees only the end of the log.
/^=== (RUN|CONT|NAME)/ { current = $3; next }
/^ *[A-Za-z0-9_]+_test\.go:[0-9]+: / { said[current] = said[current] "    " $0 "\n"; last = current; next }
/^ *--- FAIL: / { name = $3; if (name in said || /^--- FAIL/) { printf "%s\n%s", $0, said[name]; delete said[name] } next }
/^(FAIL\t|panic: |WARNING: DATA RACE|fatal error: )/ { print }
