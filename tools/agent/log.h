/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_AGENT_LOG_H
#define MDR_AGENT_LOG_H

/* What a message is about: fields of the journal's entry. NULL or 0 if there is none. */
struct log_about {
	const char *group;		/* MDR_GROUP= */
	unsigned long long event;	/* MDR_EVENT= */
	const char *mdev;		/* MDR_UUID= */
	const char *domain;		/* MDR_DOMAIN=, its name */
	const char *domain_uuid;	/* MDR_DOMAIN_UUID= */
};

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
};

/*
 * From now on to the journal's socket at this path, with fields. Until then, and
 * whenever the socket does not take a message, to stderr.
 */
void log_to_journal(const char *path);

/* Whether stderr leads to the journal. */
int log_is_service(void);

void log_about(enum log_level level, const struct log_about *about, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(...) log_about(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_info(...) log_about(LOG_LEVEL_INFO, NULL, __VA_ARGS__)

#endif
