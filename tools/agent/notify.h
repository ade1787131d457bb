/* SPDX-License-Identifier: GPL-2.0-only */
/* notify: tells systemd how the service is, see sd_notify(3). Without systemd nothing. */
#ifndef MDR_AGENT_NOTIFY_H
#define MDR_AGENT_NOTIFY_H

/* One or more lines NAME=value. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often, in ms, the watchdog wants a sign of life; -1 if there is none. */
int notify_watchdog_ms(void);

#endif
