#include "cli/api.h"
#include "cli/commands.h"
#include "cli/print.h"

#include <stdio.h>
#include <towline/forward.h>

static int read_request(const struct tl_cli *cli, json_t **ret_body, struct tl_err *err)
{
	const char *minutes = tl_cli_get(cli, "minutes");
	json_t *places = json_array();
	tl_json *body = json_pack("{s:s, s:b, s:o}", "target", tl_cli_operand(cli, 0), "agent",
				  tl_cli_has(cli, "agent"), "forwards", places);
	uint64_t number = 0;

	if (!body)
		return tl_err_set(err, TL_EUSAGE, "the target is no host or ticket");
	if (minutes && (tl_str_u64(minutes, 720, &number) != 0 || number == 0))
		return tl_err_set(err, TL_EUSAGE, "--minutes takes a number from 1 to 720");
	if (minutes)
		json_object_set_new(body, "minutes", json_integer((json_int_t)number));
	for (size_t i = 1; tl_cli_operand(cli, i); i++) {
		int rc = tl_forward_check(tl_cli_operand(cli, i), err);

		if (rc != 0)
			return tl_err_set(err, TL_EUSAGE, "%s", tl_err_text(err));
		json_array_append_new(places, json_string(tl_cli_operand(cli, i)));
	}
	*ret_body = tl_steal(&body);
	return 0;
}

int tl_command_forward(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *body = NULL;
	tl_json *reply = NULL;
	int rc = read_request(cli, &body, err);

	if (rc == 0)
		rc = tl_api_open(cli, &api, err);
	if (rc == 0)
		rc = tl_api_post(api, "/v1/forwards", body, &reply, err);
	if (rc != 0)
		return rc;
	if (tl_cli_has(cli, "json"))
		tl_print_json(stdout, reply);
	else if (json_array_size(json_object_get(body, "forwards")) == 0 &&
		 !tl_cli_has(cli, "agent"))
		printf("Sessions to %s forward nothing.\n",
		       json_string_value(json_object_get(reply, "host")));
	else
		printf("Sessions to %s that you open until %s ask for it (ticket %s).\n",
		       json_string_value(json_object_get(reply, "host")),
		       json_string_value(json_object_get(reply, "expires")),
		       json_string_value(json_object_get(reply, "ticket")));
	return 0;
}
