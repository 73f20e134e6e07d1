/* Commands about how people get in: second factors. They work while the relay runs. */
#include <stdio.h>

#include "desk/factor.h"
#include "relay/relay.h"

struct totp_command {
	const struct tl_relay *relay;
	const char *login;
	struct tl_buf *uri;
	struct tl_strv *recovery_codes;
};

static int give_factor(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct totp_command *command = arg;
	const struct tl_vault *vault = &command->relay->desk.vault;
	int r = tl_factor_begin(change, vault, command->login, command->relay->config.name,
				command->uri, err);

	return r ? r
		 : tl_factor_confirm(change, vault, command->login, NULL, command->recovery_codes,
				     err);
}

static int take_factor(struct tl_change *change, void *arg, struct tl_err *err)
{
	const struct totp_command *command = arg;

	return tl_factor_remove(change, command->login, err);
}

static void print_factor(const struct totp_command *command)
{
	printf("%s\n\nRecovery codes, each good once:\n", tl_buf_str(command->uri));
	for (size_t i = 0; i < command->recovery_codes->count; i++)
		printf("  %s\n", command->recovery_codes->items[i]);
}

int tl_relay_user_totp(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_relay) struct tl_relay relay = {.config = {.id = NULL}};
	tl_auto(tl_buf) struct tl_buf uri = TL_BUF_SECRET_INIT(2048);
	tl_auto(tl_strv) struct tl_strv codes = TL_STRV_INIT;
	bool removing = tl_cli_has(cli, "remove");
	struct totp_command command = {.relay = &relay,
				       .login = tl_cli_operand(cli, 0),
				       .uri = &uri,
				       .recovery_codes = &codes};
	int r = tl_relay_open(cli, &relay, err);

	if (r || (!removing && (r = tl_relay_open_vault(&relay, err))) ||
	    (r = tl_relay_change(&relay, removing ? take_factor : give_factor, &command, err)))
		return r;
	if (!removing)
		print_factor(&command);
	return 0;
}
