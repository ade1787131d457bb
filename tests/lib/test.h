/* SPDX-License-Identifier: GPL-2.0-only */
/* What each test program of cmocka includes; cmocka.h needs the headers before it. */
#ifndef MDR_TEST_H
#define MDR_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
