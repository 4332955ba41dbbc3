//! Firewall marks: the program that gives a packet its mark.
