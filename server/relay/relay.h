/* What the commands of towline-relay share: the configuration that -c names, and what is opened by
 * it. Main thread. */
#ifndef TOWLINE_RELAY_H
#define TOWLINE_RELAY_H

#include <towline/cli.h>

#include "desk/desk.h"
#include "relay/config.h"

struct tl_relay {
	struct tl_relay_config config;
	struct tl_desk desk;
};

/* Loads the configuration and opens the log. Clear it after failure too. */
TL_MUST_CHECK int tl_relay_open(const struct tl_cli *cli, struct tl_relay *relay,
				struct tl_err *err);
/* Keys, certificate authority, blobs, broker: what `serve` needs beyond the configuration. */
TL_MUST_CHECK int tl_relay_open_desk(struct tl_relay *relay, struct tl_err *err);
/* The key of secrets that the store keeps: a part of tl_relay_open_desk. */
TL_MUST_CHECK int tl_relay_open_vault(struct tl_relay *relay, struct tl_err *err);
/* The store, with a schema that fits. */
TL_MUST_CHECK int tl_relay_open_store(const struct tl_relay *relay, struct tl_store **ret_store,
				      struct tl_err *err);
/* Runs `body` as one change of the store, by whoever runs the command. */
typedef int tl_relay_change_body(struct tl_change *change, void *arg, struct tl_err *err);
TL_MUST_CHECK int tl_relay_change(const struct tl_relay *relay, tl_relay_change_body *body,
				  void *arg, struct tl_err *err);
void tl_relay_clear(struct tl_relay *relay);
TL_DEFINE_AUTO(tl_relay, tl_relay_clear);

/* The URL for enrolment tokens: the configured one, else localhost with the port of run.json. */
TL_MUST_CHECK int tl_relay_public_url(const struct tl_relay *relay, struct tl_buf *out,
				      struct tl_err *err);

/* Commands, one function a row of the table in main.c. */
int tl_relay_init(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_serve(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_check_config(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_migrate(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_add(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_key_add(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_list(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_disable(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_totp(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_ca_create(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_ca_show(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_ca_list(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_revoke_serial(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_revoke_id(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_revoke_key(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_revoke_list(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_token_create(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_enrol_token_create(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_host_list(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_user_key_remove(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_roster_publish(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_host_revoke(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_audit_verify(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_audit_export(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_backup(const struct tl_cli *cli, struct tl_err *err);
int tl_relay_openapi(const struct tl_cli *cli, struct tl_err *err);

extern const struct tl_cli_program tl_relay_program;

#endif
