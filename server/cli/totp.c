/* towline totp: one's own second factor. */
#include "cli/totp.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/prompt.h"

#include <stdio.h>
#include <towline/crypto.h>
#include <towline/str.h>

#define CODE_MAX 64

static int ask(const char *prompt, char code[static CODE_MAX], struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf typed = TL_BUF_SECRET_INIT(CODE_MAX - 1);
	int rc = tl_prompt_secret(prompt, &typed, err);

	if (rc == 0)
		snprintf(code, CODE_MAX, "%s", tl_buf_str(&typed));
	return rc;
}

int tl_totp_post(struct tl_api *api, const char *path, json_t *body, json_t **ret_json,
		 struct tl_err *err)
{
	char code[CODE_MAX];
	int rc = tl_api_post(api, path, body, ret_json, err);

	if (rc == 0 || !tl_streq(tl_api_problem(api), "second-factor-required"))
		return rc;
	rc = ask("Code of your second factor: ", code, err);
	if (rc)
		return rc;
	json_object_set_new(body, "code", json_string(code));
	tl_wipe(code, sizeof code);
	return tl_api_post(api, path, body, ret_json, err);
}

static void print_codes(const json_t *answer)
{
	const json_t *codes = json_object_get(answer, "recovery_codes");

	printf("It is in force. Recovery codes, each good once, for a day without the phone:\n");
	for (size_t i = 0; i < json_array_size(codes); i++)
		printf("  %s\n", json_string_value(json_array_get(codes, i)));
}

int tl_command_totp_enrol(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_json *body = json_object(), *drawn = NULL, *answer = NULL, *shown = NULL;
	char code[CODE_MAX];
	const char *uri;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = tl_totp_post(api, "/v1/me/second-factor", body, &drawn, err);
	if (rc)
		return rc;
	uri = json_string_value(json_object_get(drawn, "uri"));
	if (!uri)
		return tl_err_set(err, TL_EPROTO, "the relay sent no secret");
	printf("Give this to your authenticator (as a QR code: qrencode -t ansiutf8):\n\n%s\n\n",
	       uri);
	fflush(stdout);
	rc = ask("Code that it shows: ", code, err);
	if (rc)
		return rc;
	shown = json_pack("{s:s}", "code", code);
	tl_wipe(code, sizeof code);
	rc = tl_api_post(api, "/v1/me/second-factor/confirm", shown, &answer, err);
	if (rc == 0)
		print_codes(answer);
	return rc;
}
