// SPDX-License-Identifier: GPL-2.0-only
/* Records survive in the file, for one boot; a damaged file adds nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_root.h"
#include "store.h"

#define XML "<hostdev a=\"1\">\n  'quoted' \\ \" &amp; \xc3\xa4</hostdev>"

static int setup(void **state)
{
	(void)state;
	fake_root_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_root_remove();
	return 0;
}

static void add(struct records *records, const char *mdev, enum phase phase)
{
	struct record *record = record_get(records, mdev, DOMAIN_A);

	assert_non_null(record);
	assert_int_equal(record_set(record, "a \"guest\"", 4, XML), 0);
	record->phase = phase;
	record->event = 12;
	record->told = 11;
	record->hold_timeouts = 5;
	record->attempts = 3;
	record->retry_ms = 99;
}

static void round_trip(void **state)
{
	struct records records = { NULL }, again = { NULL };

	(void)state;
	add(&records, MDEV_A, PHASE_EVICTING);
	add(&records, MDEV_B, PHASE_DETACHED);
	add(&records, DOMAIN_A, PHASE_ATTACHED);
	assert_int_equal(store_save(fake_root, "boot1", &records), 0);
	assert_int_equal(store_load(fake_root, "boot1", &again), 0);

	assert_non_null(again.first);
	assert_string_equal(again.first->mdev, MDEV_A);
	assert_int_equal(again.first->phase, PHASE_EVICTING);
	assert_non_null(again.first->next);
	assert_non_null(again.first->next->next);
	assert_int_equal(again.first->next->next->phase, PHASE_ATTACHED);
	assert_null(again.first->next->next->next);
	assert_string_equal(again.first->next->mdev, MDEV_B);
	assert_int_equal(again.first->next->phase, PHASE_DETACHED);
	assert_string_equal(again.first->next->domain, DOMAIN_A);
	assert_string_equal(again.first->next->name, "a \"guest\"");
	assert_string_equal(again.first->next->xml, XML);
	assert_int_equal(again.first->next->id, 4);
	assert_int_equal(again.first->next->event, 12);
	assert_int_equal(again.first->next->told, 11);
	assert_int_equal(again.first->next->hold_timeouts, 5);
	assert_int_equal(again.first->next->attempts, 0);
	assert_int_equal(again.first->next->retry_ms, 0);
	records_free(&records);
	records_free(&again);
}

static void another_boot(void **state)
{
	struct records records = { NULL }, again = { NULL };

	(void)state;
	add(&records, MDEV_A, PHASE_DETACHED);
	assert_int_equal(store_save(fake_root, "boot1", &records), 0);
	assert_int_equal(store_load(fake_root, "boot2", &again), 0);
	assert_null(again.first);
	records_free(&records);
}

static void no_file(void **state)
{
	struct records records = { NULL };

	(void)state;
	assert_int_equal(store_load(fake_root, "boot1", &records), 0);
	assert_null(records.first);
}

#define HEAD "{\"version\":2,\"boot\":\"b\",\"devices\":["
#define OLD_HEAD "{\"version\":1,\"boot\":\"b\",\"evicted\":["
#define OLD_RECORD(mdev_, id_, phase_) \
	"{\"mdev\":\"" mdev_ "\",\"domain\":\"" DOMAIN_A "\",\"name\":\"n\",\"xml\":\"x\"," \
	"\"id\":" id_ ",\"event\":1,\"phase\":\"" phase_ "\"}"
#define RECORD(mdev_, id_, phase_) \
	"{\"mdev\":\"" mdev_ "\",\"domain\":\"" DOMAIN_A "\",\"name\":\"n\",\"xml\":\"x\"," \
	"\"told\":1,\"hold_timeouts\":0,\"id\":" id_ ",\"event\":1,\"phase\":\"" phase_ "\"}"

static void damaged(void **state)
{
	static const char * const bad[] = {
		"", "{", "[]", "null", "7", "{}", "{\"version\":3,\"boot\":\"b\",\"devices\":[]}",
		"{\"version\":\"1\",\"boot\":\"b\",\"evicted\":[]}",
		"{\"version\":2,\"devices\":[]}", "{\"version\":1,\"boot\":\"b\"}",
		"{\"version\":1,\"boot\":\"b\",\"evicted\":{}}",
		HEAD "7]}", HEAD "{}]}", HEAD "null]}",
		HEAD RECORD("../../etc", "1", "detached") "]}",
		HEAD RECORD(MDEV_A "0", "1", "detached") "]}",
		HEAD RECORD(MDEV_A, "-1", "detached") "]}",
		HEAD RECORD(MDEV_A, "99999999999", "detached") "]}",
		HEAD RECORD(MDEV_A, "1", "") "]}", HEAD OLD_RECORD(MDEV_A, "1", "detached") "]}",
		OLD_HEAD RECORD(MDEV_A, "1", "detached"),
		HEAD RECORD(MDEV_A, "1", "detached") "," RECORD(MDEV_B, "1", "gone") "]}",
		HEAD RECORD(MDEV_A, "1", "detached"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct records records = { NULL };

		fake_write(STORE_FILE, bad[i]);
		assert_int_equal(store_load(fake_root, "b", &records), -EINVAL);
		assert_null(records.first);
	}
	/* the same without the defect */
	struct records records = { NULL };

	fake_write(STORE_FILE, HEAD RECORD(MDEV_A, "1", "detached") "]}");
	assert_int_equal(store_load(fake_root, "b", &records), 0);
	assert_non_null(records.first);
	records_free(&records);
}

/* What the agent wrote when its name was mdr-reattachd. */
static void older(void **state)
{
	struct records records = { NULL };

	(void)state;
	fake_write(STORE_FILE, OLD_HEAD OLD_RECORD(MDEV_A, "4", "evicting") ","
		   OLD_RECORD(MDEV_B, "5", "detached") "]}");
	assert_int_equal(store_load(fake_root, "b", &records), 0);
	assert_int_equal(records.first->phase, PHASE_EVICTING);
	assert_int_equal(records.first->told, 0);
	assert_int_equal(records.first->next->phase, PHASE_DETACHED);
	assert_int_equal(records.first->next->id, 5);
	records_free(&records);
}

/* A save that fails leaves the file unchanged, and no temporary file. */
static void save_fails(void **state)
{
	struct records records = { NULL };

	(void)state;
	add(&records, MDEV_A, PHASE_DETACHED);
	assert_int_equal(store_save("/nonexistent", "b", &records), -ENOENT);
	/* a directory in its place cannot be replaced */
	fake_write(STORE_FILE "/file", "x");
	assert_true(store_save(fake_root, "b", &records) < 0);
	assert_string_equal(fake_read(STORE_FILE "/file"), "x");
	assert_int_equal(access(fake_path(".%s.new", STORE_FILE), F_OK), -1);
	records_free(&records);
}

/* The directory may be one in which others can make links. */
static void link_in_the_way(void **state)
{
	struct records records = { NULL }, again = { NULL };
	char target[256], link[256];

	(void)state;
	add(&records, MDEV_A, PHASE_DETACHED);
	fake_write("precious", "precious");
	snprintf(target, sizeof(target), "%s", fake_path("precious"));
	snprintf(link, sizeof(link), "%s", fake_path(".%s.new", STORE_FILE));
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(store_save(fake_root, "b", &records), 0);
	assert_string_equal(fake_read("precious"), "precious");
	assert_int_equal(store_load(fake_root, "b", &again), 0);
	assert_non_null(again.first);
	records_free(&records);
	records_free(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(another_boot, setup, teardown),
		cmocka_unit_test_setup_teardown(no_file, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(older, setup, teardown),
		cmocka_unit_test_setup_teardown(save_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(link_in_the_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
