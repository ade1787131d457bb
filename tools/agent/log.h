/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_AGENT_LOG_H
#define MDR_AGENT_LOG_H

/*
 * Write one line to stderr. In a systemd service the line begins with its priority,
 * which the journal removes.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
