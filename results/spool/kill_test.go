package spool

const childVariable = "LAMPLIGHTER_SPOOL_CHILD"

func child(string) {}
