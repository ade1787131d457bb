// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdrctl metrics: prints metrics for Prometheus, for the textfile collector of
 * node_exporter. Times are in seconds, as is the convention there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mdrctl.h"

enum kind { COUNTER, GAUGE };

static const char * const kinds[] = { [COUNTER] = "counter", [GAUGE] = "gauge" };

/* Counters of the kernel, and their metrics. */
static const struct {
	const char *counter, *name;
	enum kind kind;
	bool ns;
	const char *help;
} counters[] = {
	{ "recoveries", "recoveries_total", COUNTER, false,
	  "Recoveries that ended well." },
	{ "failures", "failures_total", COUNTER, false,
	  "How often the group failed, so that its users lost the device." },
	{ "own_resets", "own_resets_total", COUNTER, false,
	  "Recoveries that the kernel abandoned and the shim finished." },
	{ "drain_timeouts", "drain_timeouts_total", COUNTER, false,
	  "How often the host went on although a user was still inside." },
	{ "elided_resets", "elided_resets_total", COUNTER, false,
	  "Resets by users that were left out." },
	{ "acknowledgements", "acknowledgements_total", COUNTER, false,
	  "Events that users acknowledged without a reset." },
	{ "user_resets", "user_resets_total", COUNTER, false, "Resets by users." },
	{ "host_resets", "host_resets_total", COUNTER, false, "Resets from outside." },
	{ "hold_timeouts", "hold_timeouts_total", COUNTER, false,
	  "How often a user of type hold did not reset its device in time." },
	{ "harmless_errors", "harmless_errors_total", COUNTER, false,
	  "Non-fatal errors that needed no reset." },
	{ "correctable_errors", "correctable_errors_total", COUNTER, false,
	  "Correctable errors of the group's functions." },
	{ "stalls", "stalls_total", COUNTER, false, "Waits of users at the closed gate." },
	{ "dead_accesses", "dead_accesses_total", COUNTER, false,
	  "Accesses that were answered without the device." },
	{ "stall_ns_total", "stall_seconds_total", COUNTER, true,
	  "How long users waited at the closed gate, all waits together." },
	{ "stall_ns_max", "longest_stall_seconds", GAUGE, true,
	  "The longest wait of a user at the closed gate." },
	{ "recovery_ns_last", "last_recovery_seconds", GAUGE, true,
	  "How long the latest recovery took." },
};

static const char * const states[] = {
	"open", "closing", "recovering", "holding", "evicting", "failed", "resetting",
};

static struct json_object *metric_new(struct json_object *metrics, const char *name,
				      enum kind kind, const char *help)
{
	struct json_object *metric = json_object_new_object();
	char full[96];

	snprintf(full, sizeof(full), "mdev_recovery_%s", name);
	add_text(metric, "name", full);
	add_text(metric, "type", kinds[kind]);
	add_text(metric, "help", help);
	json_object_object_add(metric, "samples", json_object_new_array());
	json_object_array_add(metrics, metric);
	return metric;
}

/* With up to two labels; the value is text. */
static void add_sample(struct json_object *metric, const char *label, const char *of,
		       const char *label2, const char *of2, const char *value)
{
	struct json_object *sample = json_object_new_object(), *labels = json_object_new_object();

	if (label)
		add_text(labels, label, of);
	if (label2)
		add_text(labels, label2, of2);
	json_object_object_add(sample, "labels", labels);
	json_object_object_add(sample, "value",
			       json_object_new_double_s(strtod(value, NULL), value));
	json_object_array_add(get_list(metric, "samples"), sample);
}

#define EACH_GROUP(group, groups)					\
	for (size_t at = 0; at < json_object_array_length(groups) &&	\
	     (group = json_object_array_get_idx(groups, at)); at++)

static void add_states(struct json_object *metrics, struct json_object *groups)
{
	struct json_object *metric, *group;

	metric = metric_new(metrics, "group_state", GAUGE,
			    "The state of the group: 1 for the one that it is in, else 0.");
	EACH_GROUP(group, groups)
		for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
			add_sample(metric, "group", get_text(group, "name"), "state", states[i],
				   strcmp(get_text(group, "state"), states[i]) ? "0" : "1");
	metric = metric_new(metrics, "group_event", GAUGE,
			    "The id of the latest error event of the group.");
	EACH_GROUP(group, groups)
		add_sample(metric, "group", get_text(group, "name"), NULL, NULL,
			   get_text(group, "event"));
}

static void add_lengths(struct json_object *metrics, struct json_object *groups)
{
	static const struct {
		const char *list, *name, *help;
	} lengths[] = {
		{ "functions", "group_functions", "The functions in the group." },
		{ "mdevs", "group_mdevs", "The mdevs in the group." },
		{ "blockers", "group_blockers",
		  "Functions that make the kernel abandon recoveries of the group." },
	};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct json_object *group, *metric;

		metric = metric_new(metrics, lengths[i].name, GAUGE, lengths[i].help);
		EACH_GROUP(group, groups) {
			struct json_object *list = get_list(group, lengths[i].list);
			char value[24];

			snprintf(value, sizeof(value), "%zu", json_object_array_length(list));
			add_sample(metric, "group", get_text(group, "name"), NULL, NULL, value);
		}
	}
}

static void add_counters(struct json_object *metrics, struct json_object *groups)
{
	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++) {
		struct json_object *metric, *group, *counter;

		metric = metric_new(metrics, counters[i].name, counters[i].kind, counters[i].help);
		EACH_GROUP(group, groups) {
			int64_t number;
			char value[48];

			if (!json_object_object_get_ex(get_list(group, "counters"),
						       counters[i].counter, &counter))
				continue;
			number = json_object_get_int64(counter);
			if (counters[i].ns)
				snprintf(value, sizeof(value), "%lld.%09lld",
					 (long long)number / 1000000000,
					 (long long)number % 1000000000);
			else
				snprintf(value, sizeof(value), "%lld", (long long)number);
			add_sample(metric, "group", get_text(group, "name"), NULL, NULL, value);
		}
	}
}

static void add_module(struct cli *cli, struct json_object *metrics)
{
	struct json_object *metric;
	char version[64];
	bool loaded;

	loaded = !mdr_module_version(cli->mdr, version, sizeof(version));
	metric = metric_new(metrics, "module_loaded", GAUGE,
			    "Whether the module mdev_recovery is loaded.");
	add_sample(metric, NULL, NULL, NULL, NULL, loaded ? "1" : "0");
	if (!loaded)
		return;
	metric = metric_new(metrics, "module_info", GAUGE,
			    "The version of the module, as a label; always 1.");
	add_sample(metric, "version", version, NULL, NULL, "1");
}

static void print_metric(FILE *to, struct json_object *metric)
{
	struct json_object *samples = get_list(metric, "samples");

	if (!json_object_array_length(samples))
		return;
	fprintf(to, "# HELP %s %s\n", get_text(metric, "name"), get_text(metric, "help"));
	fprintf(to, "# TYPE %s %s\n", get_text(metric, "name"), get_text(metric, "type"));
	for (size_t i = 0; i < json_object_array_length(samples); i++) {
		struct json_object *sample = json_object_array_get_idx(samples, i);
		const char *before = "{";

		fputs(get_text(metric, "name"), to);
		/* names of groups and states, and versions, have nothing to escape */
		json_object_object_foreach(get_list(sample, "labels"), label, of) {
			fprintf(to, "%s%s=\"%s\"", before, label, json_object_get_string(of));
			before = ",";
		}
		fprintf(to, "%s %s\n", *before == ',' ? "}" : "", get_text(sample, "value"));
	}
}

/* The text format, allocated; NULL if there is no memory. */
static char *text_of(struct json_object *metrics)
{
	char *text = NULL;
	size_t size;
	FILE *to;

	to = open_memstream(&text, &size);
	if (!to)
		return NULL;
	for (size_t i = 0; i < json_object_array_length(metrics); i++)
		print_metric(to, json_object_array_get_idx(metrics, i));
	if (!fclose(to))
		return text;
	free(text);
	return NULL;
}

static int put(struct cli *cli, const char *text)
{
	const char *output = cli_value(cli, "output");
	int ret;

	if (!output) {
		fputs(text, stdout);
		return END_OK;
	}
	ret = file_replace(output, text);
	return ret ? fail_replace(ret, output) : END_OK;
}

static int print_metrics(struct cli *cli, struct json_object *metrics)
{
	char *text = cli->json ? json_text(tree_new("metrics", json_object_get(metrics))) :
				 text_of(metrics);
	int ret;

	if (!text)
		return fail_errno(ENOMEM, "metrics", NULL);
	ret = put(cli, text);
	free(text);
	return ret;
}

/* Metrics exist even if the module is not loaded. */
int run_metrics(struct cli *cli)
{
	struct json_object *groups = json_object_new_array(), *metrics = json_object_new_array();
	int ret = view_groups(cli->mdr, groups);

	if (ret && ret != -EUNATCH) {
		json_object_put(groups);
		json_object_put(metrics);
		return fail_errno(ret, "metrics", NULL);
	}
	add_module(cli, metrics);
	add_states(metrics, groups);
	add_lengths(metrics, groups);
	add_counters(metrics, groups);
	json_object_put(groups);
	ret = print_metrics(cli, metrics);
	json_object_put(metrics);
	return ret;
}
