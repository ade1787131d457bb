// SPDX-License-Identifier: GPL-2.0-only
/* A profile, as mdevctl gives it to the callout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include "callout.h"
#include "fuzz.h"
#include "fuzz_root.h"

static const char table[] =
	"dead_access word fault ones fault\n"
	"stall_timeout_ms number 30000 0 3600000 ms\n"
	"revoke word kill wait kill\n";

static jmp_buf refused;

/* Where the program's own would print. */
static void format_only(const char *format, va_list args)
{
	char line[4096];

	vsnprintf(line, sizeof(line), format, args);
}

#define FORMAT_ONLY(format)			\
	do {					\
		va_list args_;			\
						\
		va_start(args_, format);	\
		format_only(format, args_);	\
		va_end(args_);			\
	} while (0)

void say(const char *format, ...)
{
	FORMAT_ONLY(format);
}

void warn(const char *format, ...)
{
	FORMAT_ONLY(format);
}

void refuse(const struct call *call, const char *format, ...)
{
	(void)call;
	FORMAT_ONLY(format);
	longjmp(refused, 1);
}

static void check(struct call *call)
{
	const char *name, *value;

	if (setjmp(refused))
		return;
	profile_read(call);
	profile_check(call);
	for (size_t i = 0; profile_attribute(call, i, &name, &value); i++) {
		/* it has been checked: the module takes it */
		MUST(setting_name(name));
		MUST(mdr_setting_allows(mdr_settings_find(call->settings, setting_name(name)),
					value));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct call call = {
		.type = "mdr-pci-resume", .event = "pre", .action = "define", .state = "none",
		.uuid = "11111111-2222-4333-8444-555555555555", .parent = "0000:05:00.0",
	};
	FILE *was = stdin;

	if (!size)
		return 0;
	if (!call.mdr) {
		call.mdr = fuzz_root(table, sizeof(table) - 1);
		MUST(!mdr_settings_get(call.mdr, &call.settings));
	}
	call.config = NULL;
	call.attrs = NULL;
	stdin = fmemopen((void *)data, size, "r");
	MUST(stdin);
	check(&call);
	fclose(stdin);
	stdin = was;
	json_object_put(call.config);
	return 0;
}
