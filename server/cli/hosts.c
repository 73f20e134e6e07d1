#include "cli/api.h"
#include "cli/commands.h"
#include "cli/print.h"

#include <string.h>
#include <towline/unit.h>

static const struct tl_column host_columns[] = {
	{"HOST", "name", 32},	 {"STATE", "state", 0},		{"ONLINE", "online", 0},
	{"HEALTH", "health", 0}, {"LAST SEEN", "last_seen", 0}, {"AGENT", "agent_version", 0},
	{"ID", "id", 0},
};

static const struct tl_column host_fields[] = {
	{"Host", "name", 0},
	{"Id", "id", 0},
	{"State", "state", 0},
	{"Online", "online", 0},
	{"Last seen", "last_seen", 0},
	{"Agent", "agent_version", 0},
	{"Health", "facts.verdict", 0},
	{"Health told", "facts.updated", 0},
};

static const struct tl_column fact_columns[] = {
	{"VERDICT", "verdict", 0}, {"FACT", "name", 0},	   {"OF", "subject", 40},
	{"VALUE", "shown", 40},	   {"SINCE", "since", 16}, {"WHY", "text", 80},
};

int tl_command_hosts(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *items = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_api_list(api, "/v1/hosts", &items, err);
	if (rc)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, items);
	else
		tl_print_table(stdout, items, host_columns, TL_ARRAY_LEN(host_columns),
			       "No host is enrolled.");
	return 0;
}

/* The value as people write it. */
static void add_shown(json_t *fact)
{
	const json_t *value = json_object_get(fact, "value");
	const char *unit = json_string_value(json_object_get(fact, "unit"));
	char text[TL_UNIT_TEXT];

	if (json_is_number(value) && unit) {
		tl_unit_text(unit, json_number_value(value), text);
		json_object_set_new(fact, "shown", json_string(text));
	} else if (json_is_boolean(value)) {
		json_object_set_new(fact, "shown", json_string(json_is_true(value) ? "yes" : "no"));
	} else {
		json_object_set(fact, "shown", (json_t *)(uintptr_t)value);
	}
}

/* What is bad first; facts without a verdict last. */
static json_t *sorted(const json_t *facts)
{
	static const char *const order[] = {"critical", "warning", "unknown", "ok", NULL};
	json_t *out = json_array();
	json_t *fact;
	size_t i;

	for (size_t o = 0; o < TL_ARRAY_LEN(order); o++)
		json_array_foreach(facts, i, fact)
		{
			const char *verdict = json_string_value(json_object_get(fact, "verdict"));

			if (order[o] ? tl_streq(verdict, order[o]) : !verdict) {
				add_shown(fact);
				json_array_append(out, fact);
			}
		}
	return out;
}

static int host_path(const char *host, const char *suffix, struct tl_buf *path, struct tl_err *err)
{
	if (!tl_str_is_name(host, 255))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is neither a host's name nor its id",
				  host);
	tl_buf_printf(path, "/v1/hosts/%s%s", host, suffix);
	return tl_buf_check(path);
}

int tl_command_host_show(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(512);
	tl_auto(tl_buf) struct tl_buf health_path = TL_BUF_INIT(512);
	tl_json *host = NULL;
	tl_json *health = NULL;
	tl_json *facts = NULL;
	int rc = host_path(tl_cli_operand(cli, 0), "", &path, err);

	if (rc == 0)
		rc = host_path(tl_cli_operand(cli, 0), "/health", &health_path, err);
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_get(api, tl_buf_str(&path), &host, err);
	if (rc == 0)
		rc = tl_api_get(api, tl_buf_str(&health_path), &health, err);
	if (rc)
		return rc;
	json_object_set(host, "facts", health);
	if (tl_cli_has(cli, "json")) {
		json_object_set(host, "facts", json_object_get(health, "facts"));
		tl_print_json(stdout, host);
		return 0;
	}
	tl_print_fields(stdout, host, host_fields, TL_ARRAY_LEN(host_fields));
	facts = sorted(json_object_get(health, "facts"));
	putchar('\n');
	tl_print_table(stdout, facts, fact_columns, TL_ARRAY_LEN(fact_columns),
		       "This host has not told how it is.");
	return 0;
}
