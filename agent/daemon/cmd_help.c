/* towline-agent get-help: what is wrong, what would be sent, yes, and the number. */
#include <stdint.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <towline/clock.h>

#include "daemon/cmd.h"
#include "daemon/queue.h"

#define COLLECT_TIMEOUT_MS (65 * 60 * 1000) /* beyond the longest collect.timeout */
#define CALL_TIMEOUT_MS 30000
#define POLL_MS 200
#define ONLINE_WAIT_MS 15000 /* how long a ticket number is waited for when nothing moves */
#define FILES_SHOWN 20

struct request {
	const struct tl_cli *cli;
	int fd;
	char summary[TL_ITEM_SUMMARY_MAX + 1];
	char help_id[TL_ID_LEN + 1];
	json_t *prepared;
	char relay[600];
	bool json;
};

static void request_clear(struct request *request)
{
	json_decref(request->prepared);
	if (request->fd >= 0)
		close(request->fd);
}

static int take_summary(struct request *request, struct tl_err *err)
{
	const char *given = tl_cli_operand(request->cli, 0);

	if (given && strlen(given) > TL_ITEM_SUMMARY_MAX)
		return tl_err_set(err, TL_EUSAGE,
				  "the summary is longer than %d bytes: say it shorter",
				  TL_ITEM_SUMMARY_MAX);
	if (given)
		snprintf(request->summary, sizeof(request->summary), "%s", given);
	else if (isatty(STDIN_FILENO))
		tl_cmd_ask("What is wrong? ", request->summary, sizeof(request->summary));
	if (request->summary[strspn(request->summary, " \t")] == '\0')
		return tl_err_set(err, TL_EUSAGE, "say in a few words what is wrong");
	return 0;
}

static int call(struct request *request, const char *verb, json_t *args, int timeout_ms,
		json_t **ret_result, struct tl_err *err)
{
	tl_auto(tl_ipc_message) struct tl_ipc_message answer = TL_IPC_MESSAGE_INIT;
	tl_json *owned = args;
	int rc = tl_ipc_call(request->fd, verb, owned, NULL, 0, timeout_ms, &answer, err);

	if (rc == 0)
		*ret_result = json_incref(answer.json);
	return rc;
}

static int ask_relay(struct request *request, struct tl_err *err)
{
	tl_json *status = NULL;
	int rc = call(request, "status", NULL, CALL_TIMEOUT_MS, &status, err);

	if (rc == 0)
		snprintf(request->relay, sizeof(request->relay), "%s",
			 json_string_value(json_object_get(status, "relay")));
	return rc;
}

static int prepare(struct request *request, struct tl_err *err)
{
	const char *id;
	int rc;

	if (!request->json)
		printf("Looking at this machine. Nothing is sent yet.\n");
	rc = call(request, "help.prepare", json_pack("{s:s}", "summary", request->summary),
		  COLLECT_TIMEOUT_MS, &request->prepared, err);
	if (rc != 0)
		return rc;
	id = json_string_value(json_object_get(request->prepared, "help_id"));
	if (!id || !tl_id_is_valid(id))
		return tl_err_set(err, TL_EPROTO, "the agent gave no valid reference");
	snprintf(request->help_id, sizeof(request->help_id), "%s", id);
	return 0;
}

static void show_files(const json_t *bundle, size_t shown)
{
	const json_t *files = json_object_get(bundle, "files");
	size_t total = json_array_size(files) +
		       (size_t)json_integer_value(json_object_get(bundle, "files_omitted"));
	const json_t *file;
	char size[32];
	size_t i;

	json_array_foreach(files, i, file)
	{
		if (i == shown)
			break;
		tl_cmd_size(json_integer_value(json_object_get(file, "size")), size);
		printf("  %10s  ", size);
		tl_cmd_print_text(json_string_value(json_object_get(file, "path")));
		putchar('\n');
	}
	if (total > i)
		printf("  … and %zu more\n", total - i);
}

static void show_redactions(const json_t *bundle)
{
	json_t *redactions = json_object_get(bundle, "redactions");
	const char *rule;
	json_t *count;

	if (json_object_size(redactions) == 0) {
		printf("Nothing needed to be removed from it.\n");
		return;
	}
	printf("Removed or replaced before anything was written:\n");
	json_object_foreach(redactions, rule, count)
	{
		printf("  %10lld  ", (long long)json_integer_value(count));
		tl_cmd_print_text(rule);
		putchar('\n');
	}
}

static void show(const struct request *request)
{
	const json_t *bundle = json_object_get(request->prepared, "bundle");
	int64_t errors = json_integer_value(json_object_get(bundle, "errors"));
	char size[32];

	tl_cmd_size(json_integer_value(json_object_get(bundle, "size")), size);
	printf("\nThis would be sent to %s:\n", request->relay);
	printf("  what you said: ");
	tl_cmd_print_text(request->summary);
	printf("\n  a bundle of %zu files, %s packed:\n",
	       json_array_size(json_object_get(bundle, "files")) +
		       (size_t)json_integer_value(json_object_get(bundle, "files_omitted")),
	       size);
	show_files(bundle, FILES_SHOWN);
	show_redactions(bundle);
	if (errors > 0)
		printf("%lld things could not be collected; the bundle says which and why.\n",
		       (long long)errors);
	putchar('\n');
}

static void discard(struct request *request)
{
	tl_json *result = NULL;

	if (call(request, "help.discard", json_pack("{s:s}", "help_id", request->help_id),
		 CALL_TIMEOUT_MS, &result, NULL) != 0)
		return; /* the agent throws it away by itself after a while */
}

/* Asks until the answer is none but "list", which shows every file. */
static bool confirm(const struct request *request)
{
	const json_t *bundle = json_object_get(request->prepared, "bundle");
	char answer[16];

	for (;;) {
		tl_cmd_ask("Send this? [y/N, l lists every file] ", answer, sizeof(answer));
		if (strcasecmp(answer, "l") != 0 && strcasecmp(answer, "list") != 0)
			return strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
		show_files(bundle, SIZE_MAX);
	}
}

static int agree(struct request *request, struct tl_err *err)
{
	bool yes = tl_cli_has(request->cli, "yes");

	if (!yes && request->json) {
		discard(request);
		return tl_err_set(err, TL_EUSAGE, "--json asks nothing: it needs --yes");
	}
	if (!request->json)
		show(request);
	if (!yes)
		yes = confirm(request);
	if (yes)
		return 0;
	discard(request);
	return tl_err_set(err, TL_ECANCELED, "nothing was sent; the bundle is thrown away");
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
}

static bool is_state(const json_t *status, const char *state)
{
	return tl_streq(json_string_value(json_object_get(status, "state")), state);
}

static void show_progress(const json_t *status, const char **shown_ticket, int64_t *shown_sent)
{
	int64_t sent = json_integer_value(json_object_get(status, "sent"));
	int64_t size = json_integer_value(json_object_get(status, "size"));
	const char *ticket = json_string_value(json_object_get(status, "ticket"));

	if (ticket && !*shown_ticket) {
		printf("Your ticket is ");
		tl_cmd_print_text(ticket);
		printf(".\n");
		*shown_ticket = "shown";
	}
	if (sent != *shown_sent && sent > 0 && size > 0)
		printf("Sent %lld %%.\n", (long long)(sent * 100 / size));
	*shown_sent = sent;
	fflush(stdout);
}

/* Until it is done or failed, or nothing has moved for a while: then it stays queued. */
static int follow(struct request *request, json_t **ret_status, struct tl_err *err)
{
	const struct tl_clock *clock = tl_clock_system();
	int64_t moved_ms = tl_clock_mono_ms(clock), shown_sent = 0, last_sent = -1;
	const char *shown_ticket = NULL;

	for (;;) {
		tl_json *status = NULL;
		int64_t sent;
		int rc = call(request, "help.status",
			      json_pack("{s:s}", "help_id", request->help_id), CALL_TIMEOUT_MS,
			      &status, err);

		if (rc != 0)
			return rc;
		sent = json_integer_value(json_object_get(status, "sent"));
		if (!request->json)
			show_progress(status, &shown_ticket, &shown_sent);
		if (sent != last_sent)
			moved_ms = tl_clock_mono_ms(clock);
		last_sent = sent;
		if (is_state(status, "done") || is_state(status, "failed") ||
		    tl_cli_has(request->cli, "no-wait") ||
		    tl_clock_mono_ms(clock) - moved_ms > ONLINE_WAIT_MS) {
			*ret_status = tl_steal(&status);
			return 0;
		}
		nap();
	}
}

static int conclude(const struct request *request, json_t *status, struct tl_err *err)
{
	const char *text = json_string_value(json_object_get(status, "text"));

	if (request->json) {
		json_object_set_new(status, "help_id", json_string(request->help_id));
		tl_cmd_print_json(status);
	}
	if (is_state(status, "failed"))
		return tl_err_set(err, TL_EDENIED, "the relay did not take it: %s",
				  text ? text : "it gives no reason");
	if (request->json)
		return 0;
	if (is_state(status, "done")) {
		printf("Everything has arrived. Your reference is %s.\n", request->help_id);
	} else {
		printf("It is queued and will be sent as soon as the relay can be reached. "
		       "Your reference is %s.\n",
		       request->help_id);
		if (text) {
			printf("At present: ");
			tl_cmd_print_text(text);
			putchar('\n');
		}
	}
	return 0;
}

int tl_cmd_get_help(const struct tl_cli *cli, struct tl_err *err)
{
	tl_cleanup(request_clear) struct request request = {.cli = cli, .fd = -1};
	tl_json *submitted = NULL, *status = NULL;
	int rc;

	request.json = tl_cli_has(cli, "json");
	rc = take_summary(&request, err);
	if (rc == 0)
		rc = tl_cmd_connect(cli, TL_CMD_AGENT, &request.fd, err);
	if (rc == 0)
		rc = ask_relay(&request, err);
	if (rc == 0)
		rc = prepare(&request, err);
	if (rc == 0)
		rc = agree(&request, err);
	if (rc == 0)
		rc = call(&request, "help.submit", json_pack("{s:s}", "help_id", request.help_id),
			  CALL_TIMEOUT_MS, &submitted, err);
	if (rc == 0)
		rc = follow(&request, &status, err);
	return rc == 0 ? conclude(&request, status, err) : rc;
}
