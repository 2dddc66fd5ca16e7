#!/bin/sh
# What ipmi_sim calls to read and set the power of one BMC's server: chassis.sh FILE get|set|check item [value] ...
# FILE holds 0 or 1.
file=$1
operation=$2
shift 2
case $operation in
get)
	while [ $# -gt 0 ]; do
		case $1 in
		power) echo "power:$(cat "$file")" ;;
		boot) echo "boot:default" ;;
		*) exit 1 ;;
		esac
		shift
	done
	;;
set)
	while [ $# -gt 0 ]; do
		case $1 in
		power) echo "$2" >"$file" ;;
		reset) echo 1 >"$file" ;;
		shutdown) echo 0 >"$file" ;;
		esac
		shift 2
	done
	;;
check) ;;
*) exit 1 ;;
esac
