// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "mdrctl.h"
#include "tracing.h"

#define NAME "mdev_recovery"
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

static char *tracing_dir(const struct mdr *mdr, char dir[PATH_MAX])
{
	/* errors are for us to tell */
	tracefs_set_loglevel(TEP_LOG_NONE);
	snprintf(dir, PATH_MAX, "%s" TRACING_DIR, mdr_root(mdr));
	return dir;
}

static int configure(struct tracefs_instance *instance)
{
	static const struct {
		const char *file, *value;
	} settings[] = {
		/* the same on all CPUs, and convertible to the time of day */
		{ "trace_clock", "mono" },
		{ "buffer_size_kb", STRING(TRACING_KB) },
		{ "events/" NAME "/enable", "1" },
		{ "tracing_on", "1" },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		/* writing the clock empties the ring, even if it does not change */
		char *now = i ? NULL : tracefs_get_clock(instance);
		bool is = now && !strcmp(now, settings[i].value);

		free(now);
		if (!is && tracefs_instance_file_write(instance, settings[i].file,
						       settings[i].value) < 0)
			return fail_errno(errno, settings[i].file, NULL);
	}
	return END_OK;
}

int tracing_on(const struct mdr *mdr)
{
	struct tracefs_instance *instance;
	char dir[PATH_MAX];
	int ret;

	ret = check_events(mdr);
	if (ret)
		return ret;
	tracefs_set_tracing_dir(tracing_dir(mdr, dir));
	instance = tracefs_instance_create(NAME);
	if (!instance)
		return fail_errno(errno, TRACING_INSTANCE, NULL);
	ret = configure(instance);
	tracefs_instance_free(instance);
	return ret;
}

int tracing_off(const struct mdr *mdr)
{
	struct tracefs_instance *instance;
	char dir[PATH_MAX];
	int ret = END_OK;

	instance = tracefs_instance_alloc(tracing_dir(mdr, dir), NAME);
	if (!instance)
		return errno == ENOENT ? END_OK : fail_errno(errno, TRACING_INSTANCE, NULL);
	if (tracefs_instance_destroy(instance))
		ret = errno != EBUSY ? fail_errno(errno, TRACING_INSTANCE, NULL) :
		      fail(END_FAILED, TRACING_INSTANCE, "see: fuser " TRACING_INSTANCE "/*",
			   "somebody reads it");
	tracefs_instance_free(instance);
	return ret;
}

/* Shows what was recorded, although nothing more is. */
static void warn_off(struct tracefs_instance *instance)
{
	char *text = tracefs_instance_file_read(instance, "events/" NAME "/enable", NULL);

	if (!text || *text != '1')
		fail(END_OK, "timeline", "mdrctl timeline --record=on",
		     "new recoveries are not recorded: the module was loaded anew");
	free(text);
}

int tracing_read(const struct mdr *mdr, struct trace *trace, bool *is_monotonic)
{
	struct tracefs_instance *top, *instance;
	char dir[PATH_MAX], *clock;
	int ret;

	ret = check_events(mdr);
	if (ret)
		return ret;
	top = tracefs_instance_alloc(tracing_dir(mdr, dir), NULL);
	instance = tracefs_instance_alloc(dir, NAME);
	if (!instance) {
		tracefs_instance_free(top);
		return errno != ENOENT ? fail_errno(errno, TRACING_INSTANCE, NULL) :
		       fail(END_FAILED, "timeline",
			    "mdrctl timeline --record=on, and after the next error: mdrctl timeline",
			    "recoveries are not recorded");
	}
	warn_off(instance);
	clock = tracefs_get_clock(instance);
	*is_monotonic = clock && !strcmp(clock, "mono");
	free(clock);
	ret = top ? trace_read(top, instance, trace) : -errno;
	tracefs_instance_free(instance);
	tracefs_instance_free(top);
	if (ret == -EPROTO)
		return fail(END_FAILED, "timeline", "mdrctl doctor",
			    "the module that is loaded has other tracepoints than this mdrctl knows");
	return ret ? fail_errno(ret, TRACING_INSTANCE, NULL) : END_OK;
}
