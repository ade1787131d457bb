// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "mdrctl.h"
#include "tracing.h"

#define STRING_(x) #x
#define STRING(x) STRING_(x)

/* Are tracefs and our tracepoints there? */
static int check_events(const struct mdr *mdr)
{
	if (!has_file(mdr, TRACING_DIR "/instances"))
		return geteuid() ? fail_errno(EACCES, TRACING_DIR, NULL) :
		       fail(END_NOT_FOUND, TRACING_DIR,
			    "mount -t tracefs none " TRACING_DIR,
			    "tracefs is not mounted, or this kernel cannot trace");
	if (!has_file(mdr, TRACING_DIR "/events/mdev_recovery"))
		return fail(END_NOT_FOUND, "timeline", "modprobe mdr-pci",
			    "the module mdev_recovery is not loaded");
	return END_OK;
}

static int write_file(const struct mdr *mdr, const char *name, const char *value)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s" TRACING_INSTANCE "/%s", mdr_root(mdr), name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int tracing_on(const struct mdr *mdr)
{
	static const struct {
		const char *file, *value;
	} settings[] = {
		/* the same on all CPUs, and convertible to the time of day */
		{ "trace_clock", "mono" },
		{ "buffer_size_kb", STRING(TRACING_KB) },
		{ "events/mdev_recovery/enable", "1" },
		{ "tracing_on", "1" },
	};
	char path[PATH_MAX];
	int ret;

	ret = check_events(mdr);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s" TRACING_INSTANCE, mdr_root(mdr));
	if (mkdir(path, 0750) && errno != EEXIST)
		return fail_errno(errno, TRACING_INSTANCE, NULL);
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		/* writing the clock empties the ring, even if it does not change */
		char *now = i ? NULL : read_text(mdr, TRACING_INSTANCE "/trace_clock");
		bool is = now && strstr(now, "[mono]");

		free(now);
		ret = is ? 0 : write_file(mdr, settings[i].file, settings[i].value);
		if (ret)
			return fail_errno(ret, settings[i].file, NULL);
	}
	return END_OK;
}

int tracing_off(const struct mdr *mdr)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" TRACING_INSTANCE, mdr_root(mdr));
	if (!rmdir(path) || errno == ENOENT)
		return END_OK;
	if (errno == EBUSY)
		return fail(END_FAILED, TRACING_INSTANCE, "see: fuser " TRACING_INSTANCE "/*",
			    "somebody reads it");
	return fail_errno(errno, TRACING_INSTANCE, NULL);
}

int tracing_open(const struct mdr *mdr, FILE **trace, bool *is_monotonic)
{
	char path[PATH_MAX], *text;
	int ret;

	ret = check_events(mdr);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s" TRACING_INSTANCE "/trace", mdr_root(mdr));
	*trace = fopen(path, "re");
	if (!*trace && errno == ENOENT)
		return fail(END_FAILED, "timeline",
			    "mdrctl timeline --record=on, and after the next error: mdrctl timeline",
			    "recoveries are not recorded");
	if (!*trace)
		return fail_errno(errno, TRACING_INSTANCE, NULL);
	text = read_text(mdr, TRACING_INSTANCE "/events/mdev_recovery/enable");
	if (!text || strcmp(text, "1"))
		/* show what was recorded */
		fail(END_OK, "timeline", "mdrctl timeline --record=on",
		     "new recoveries are not recorded: the module was loaded anew");
	free(text);
	text = read_text(mdr, TRACING_INSTANCE "/trace_clock");
	*is_monotonic = text && strstr(text, "[mono]");
	free(text);
	return END_OK;
}
