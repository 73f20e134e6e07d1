#include "cli/api.h"
#include "cli/commands.h"
#include "cli/print.h"

#include <inttypes.h>
#include <string.h>

static const struct tl_column ticket_columns[] = {
	{"TICKET", "number", 0},    {"PRIORITY", "priority", 0},    {"STATE", "state", 0},
	{"HOST", "host.name", 24},  {"REQUESTER", "requester", 20}, {"CREATED", "created", 0},
	{"SUMMARY", "summary", 60},
};

static const struct tl_column ticket_fields[] = {
	{"Ticket", "number", 0},     {"Summary", "summary", 0}, {"State", "state", 0},
	{"Priority", "priority", 0}, {"Host", "host.name", 0},	{"Requester", "requester", 0},
	{"Created", "created", 0},   {"Updated", "updated", 0}, {"Description", "description", 0},
};

static const struct tl_column bundle_columns[] = {
	{"BUNDLE", "id", 0},	   {"BYTES", "size", 0},      {"MEMBERS", "members", 0},
	{"CREATED", "created", 0}, {"SHA-256", "sha256", 17},
};

static const struct tl_column finding_columns[] = {
	{"SEVERITY", "severity", 0},
	{"RULE", "rule", 0},
	{"SUMMARY", "summary", 100},
	{"BUNDLE", "bundle", 0},
};

static const struct tl_column session_columns[] = {
	{"SESSION", "id", 0},	       {"ENGINEER", "engineer", 20}, {"LANE", "lane", 0},
	{"STATE", "state", 0},	       {"DECISION", "decision", 0},  {"REQUESTED", "requested", 0},
	{"RECORDING", "recording", 0},
};

static const struct tl_column timeline_columns[] = {
	{"AT", "at", 0},
	{"WHO", "actor_name", 24},
	{"WHAT", "kind", 0},
	{"DETAIL", "detail", 90},
};

int tl_command_tickets(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *items = NULL;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_api_list(api,
				 tl_cli_has(cli, "all") ? "/v1/tickets?state=all"
							: "/v1/tickets?state=open",
				 &items, err);
	if (rc)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, items);
	else
		tl_print_table(stdout, items, ticket_columns, TL_ARRAY_LEN(ticket_columns),
			       "No open tickets.");
	return 0;
}

/* The entry's body as one line, for a table: its text, else its members. */
static void add_detail(json_t *entry)
{
	tl_auto(tl_buf) struct tl_buf line = TL_BUF_INIT(4096);
	json_t *body = json_object_get(entry, "body");
	const char *key;
	json_t *value;

	json_object_foreach(body, key, value)
	{
		if (line.len > 0)
			tl_buf_puts(&line, "  ");
		tl_buf_printf(&line, "%s=", key);
		tl_print_member(&line, body, key);
	}
	json_object_set_new(entry, "detail", json_string(tl_buf_str(&line)));
}

static void print_timeline(json_t *timeline)
{
	json_t *entry;
	size_t i;

	json_array_foreach(timeline, i, entry) add_detail(entry);
	printf("\nTimeline\n");
	tl_print_table(stdout, timeline, timeline_columns, TL_ARRAY_LEN(timeline_columns),
		       "Nothing yet.");
}

/* Of all bundles, the newest one's first, as the host's analyzers said. */
static void print_findings(const json_t *bundles)
{
	tl_json *rows = json_array();

	for (size_t i = json_array_size(bundles); i-- > 0;) {
		const json_t *bundle = json_array_get(bundles, i);
		const json_t *findings = json_object_get(bundle, "findings");

		for (size_t j = 0; j < json_array_size(findings); j++) {
			json_t *row = json_copy(json_array_get(findings, j));

			json_object_set(row, "bundle", json_object_get(bundle, "id"));
			json_array_append_new(rows, row);
		}
	}
	printf("\nFindings\n");
	tl_print_table(stdout, rows, finding_columns, TL_ARRAY_LEN(finding_columns), "None.");
}

static void print_ticket(json_t *ticket)
{
	tl_print_fields(stdout, ticket, ticket_fields, TL_ARRAY_LEN(ticket_fields));
	printf("\nBundles\n");
	tl_print_table(stdout, json_object_get(ticket, "bundles"), bundle_columns,
		       TL_ARRAY_LEN(bundle_columns), "None.");
	print_findings(json_object_get(ticket, "bundles"));
	printf("\nSessions\n");
	tl_print_table(stdout, json_object_get(ticket, "sessions"), session_columns,
		       TL_ARRAY_LEN(session_columns), "None.");
}

/* The path of a ticket's resource; the number is checked, since it becomes part of an address. */
static int ticket_path(const char *number, const char *suffix, struct tl_buf *path,
		       struct tl_err *err)
{
	if (!tl_str_is_name(number, 32))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is not a ticket number such as T-1001",
				  number);
	tl_buf_printf(path, "/v1/tickets/%s%s", number, suffix);
	return tl_buf_check(path);
}

int tl_command_ticket_show(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_auto(tl_buf) struct tl_buf timeline_path = TL_BUF_INIT(128);
	const char *number = tl_cli_operand(cli, 0);
	tl_json *ticket = NULL;
	tl_json *timeline = NULL;
	int rc = ticket_path(number, "", &path, err);

	if (rc == 0)
		rc = ticket_path(number, "/timeline", &timeline_path, err);
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_get(api, tl_buf_str(&path), &ticket, err);
	if (rc == 0)
		rc = tl_api_list(api, tl_buf_str(&timeline_path), &timeline, err);
	if (rc)
		return rc;
	if (tl_cli_has(cli, "json")) {
		json_object_set(ticket, "timeline", timeline);
		tl_print_json(stdout, ticket);
		return 0;
	}
	print_ticket(ticket);
	print_timeline(timeline);
	return 0;
}

int tl_command_ticket_note(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *body = json_pack("{s:s}", "text", tl_cli_operand(cli, 1));
	tl_json *entry = NULL;
	int rc;

	if (!body)
		return tl_err_set(err, TL_EINVAL, "the note is not valid UTF-8");
	rc = ticket_path(tl_cli_operand(cli, 0), "/timeline", &path, err);
	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_post(api, tl_buf_str(&path), body, &entry, err);
	if (rc == 0)
		printf("Noted on %s.\n", tl_cli_operand(cli, 0));
	return rc;
}
