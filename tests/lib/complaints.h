/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel gone wrong says in its log, one a line: initializers for C, and
 * machines.sh reads the lines that are a string and a comma.
 */
"WARNING: ",
"BUG: ",
"kernel BUG at",
"Oops: ",
"Oops[",
"general protection fault",
"Kernel panic",
"INFO: task ",
"INFO: possible ",
"possible recursive locking",
"possible circular",
"suspicious RCU usage",
"detected stall",
"soft lockup",
"hard LOCKUP",
"refcount_t: ",
"UBSAN: ",
"KASAN: ",
"scheduling while atomic",
"sleeping function called",
"unregister_netdevice: waiting",
"Bad page state",
