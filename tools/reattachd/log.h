/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_REATTACHD_LOG_H
#define MDR_REATTACHD_LOG_H

/*
 * One line on stderr. In a systemd service it begins with its priority, which
 * the journal takes off again.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
