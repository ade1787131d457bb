/* SPDX-License-Identifier: GPL-2.0-only */
/* A directory of the test with a fake sysfs that has groups in it. */
#ifndef TESTS_TOOLS_FAKE_ROOT_H
#define TESTS_TOOLS_FAKE_ROOT_H

#define MDEV_A "11111111-2222-4333-8444-55555555aaaa"
#define MDEV_B "11111111-2222-4333-8444-55555555bbbb"
#define DOMAIN_A "aaaaaaaa-0000-4000-8000-000000000001"

extern char fake_root[64];

void fake_root_make(void);
void fake_root_remove(void);

/* A test of cmocka that has a root of its own. */
#define TEST_IN_FAKE_ROOT(test_) \
	cmocka_unit_test_setup_teardown(test_, fake_root_setup, fake_root_teardown)
int fake_root_setup(void **state);
int fake_root_teardown(void **state);

/* Formats a path below the root; the result is valid until the next call. */
const char *fake_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file below the root, and creates its directories. */
void fake_write(const char *path, const char *text);

/* The content of a file below the root; "" if there is no such file. */
const char *fake_read(const char *path);

/* Creates a group, or changes it. */
void fake_group(const char *group, const char *state, const char *policy,
		unsigned long long event, const char *mdev);
void fake_group_remove(const char *group);

#endif
