// SPDX-License-Identifier: GPL-2.0-only
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "clock.h"
#include "say.h"

void say(const char *fmt, ...)
{
	char text[400], line[440];
	va_list args;
	int fd, len;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	len = snprintf(line, sizeof(line), "mdr: %ju %s\n", (uintmax_t)now_ms() / 1000, text);

	/* the kernel's log is on the same console: through it no line is torn */
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, line, len) != len)
		write(STDOUT_FILENO, line, len) < 0 ? _exit(1) : (void)0;
	if (fd >= 0)
		close(fd);
}
