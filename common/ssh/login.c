/* libssh marks the getters of authentication as deprecated in favour of callbacks that must decide at
 * once; a look-up in a database cannot. */
#define SSH_SUPPRESS_DEPRECATED
#include <libssh/server.h>
#include <string.h>

#include "ssh/keys.h"
#include "ssh/server_private.h"

static const char banner[] = "Towline: log in with a registered SSH public key (Ed25519, ECDSA, "
			     "RSA or a security key) or a certificate.\r\n"
			     "Passwords do not work here.\r\n";

bool tl_ssh_login_service(struct tl_ssh_server *server, ssh_message message)
{
	const char *service = ssh_message_service_service(message);

	if (service && (strcmp(service, "ssh-userauth") == 0 || server->authenticated))
		(void)ssh_message_service_reply_success(message);
	else
		tl_ssh_server_close(server, "that SSH service is not offered");
	return false;
}

static void send_banner(struct tl_ssh_server *server)
{
	ssh_string text = server->banner_sent ? NULL : ssh_string_from_char(banner);

	server->banner_sent = true;
	if (!text)
		return;
	(void)ssh_send_issue_banner(tl_ssh_link_session(server->link), text);
	ssh_string_free(text);
}

static void fail(struct tl_ssh_server *server, ssh_message message)
{
	server->failures++;
	if (server->failures >= TL_SSH_LOGIN_TRIES) {
		send_banner(server);
		(void)ssh_message_reply_default(message);
		tl_ssh_server_close(server, "too many authentication failures");
		return;
	}
	(void)ssh_message_reply_default(message);
}

static void welcome(struct tl_ssh_server *server, ssh_message message)
{
	(void)ssh_message_auth_reply_success(message, 0);
	server->authenticated = true;
	tl_ssh_link_deadline(server->link, 0, NULL);
	server->handlers->login(server->arg);
}

/* RFC 4252 §5.1: partial success, and what can go on. */
static void go_halfway(struct tl_ssh_server *server, ssh_message message)
{
	ssh_set_auth_methods(tl_ssh_link_session(server->link), SSH_AUTH_METHOD_INTERACTIVE);
	(void)ssh_message_auth_reply_success(message, 1);
	server->halfway = true;
}

void tl_ssh_server_verdict(struct tl_ssh_server *server, enum tl_ssh_verdict verdict)
{
	ssh_message message = server->asked;
	bool is_probe;

	if (!message)
		return;
	server->asked = NULL;
	is_probe = ssh_message_subtype(message) == SSH_AUTH_METHOD_PUBLICKEY &&
		   ssh_message_auth_publickey_state(message) != SSH_PUBLICKEY_STATE_VALID;
	if (verdict == TL_SSH_REFUSED)
		fail(server, message);
	else if (is_probe)
		(void)ssh_message_auth_reply_pk_ok_simple(message);
	else if (verdict == TL_SSH_HALFWAY)
		go_halfway(server, message);
	else
		welcome(server, message);
	ssh_message_free(message);
	tl_ssh_link_hold(server->link, false);
}

static bool ask_for_key(struct tl_ssh_server *server, ssh_message message)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_INIT(TL_SSH_CERTIFICATE_TEXT_MAX);
	int state = ssh_message_auth_publickey_state(message);
	ssh_key key = ssh_message_auth_pubkey(message);
	struct tl_err err = TL_ERR_INIT;

	if (!key || (state != SSH_PUBLICKEY_STATE_NONE && state != SSH_PUBLICKEY_STATE_VALID)) {
		fail(server, message);
		return false;
	}
	if (state == SSH_PUBLICKEY_STATE_VALID && tl_ssh_key_is_security_key(key) &&
	    !tl_ssh_presence_is_proven(tl_ssh_link_presence(server->link))) {
		tl_ssh_server_refuse(server, NULL,
				     "the security key signed without anybody touching it");
		fail(server, message);
		return false;
	}
	if ((tl_ssh_key_is_certificate(key) ? tl_ssh_certificate_text(key, &text, &err)
					    : tl_ssh_key_text(key, &text, &err)) != 0) {
		tl_ssh_server_refuse(server, NULL, tl_err_text(&err));
		fail(server, message);
		return false;
	}
	server->asked = message;
	tl_ssh_link_hold(server->link, true);
	server->handlers->key(server->arg, ssh_message_auth_user(message), tl_buf_str(&text));
	return true;
}

/* ---- the code (RFC 4256) ------------------------------------------------------------------------ */

static bool prompt_for_code(struct tl_ssh_server *server, ssh_message message)
{
	const char *prompt = "Code of your second factor: ";
	char echo[] = {0};

	if (++server->prompts > TL_SSH_LOGIN_TRIES)
		fail(server, message);
	else
		(void)ssh_message_auth_interactive_request(message, "", "", 1, &prompt, echo);
	return false;
}

static bool take_code(struct tl_ssh_server *server, ssh_message message)
{
	ssh_session session = tl_ssh_link_session(server->link);
	const char *code = ssh_userauth_kbdint_getnanswers(session) == 1
				   ? ssh_userauth_kbdint_getanswer(session, 0)
				   : NULL;

	if (!code || strlen(code) > TL_SSH_CODE_MAX) {
		fail(server, message);
		return false;
	}
	server->asked = message;
	tl_ssh_link_hold(server->link, true);
	server->handlers->code(server->arg, code);
	return true;
}

static bool ask_for_code(struct tl_ssh_server *server, ssh_message message)
{
	bool is_answer = ssh_message_auth_kbdint_is_response(message);

	/* Nobody answers what was not asked, nor shows a code without a key. */
	if (!server->halfway || (is_answer && server->prompts == server->answers)) {
		fail(server, message);
		return false;
	}
	if (!is_answer)
		return prompt_for_code(server, message);
	server->answers = server->prompts;
	return take_code(server, message);
}

bool tl_ssh_login_auth(struct tl_ssh_server *server, ssh_message message)
{
	int method = ssh_message_subtype(message);

	if (server->authenticated || server->asked) {
		(void)ssh_message_reply_default(message);
		return false;
	}
	/* Whoever proved one key is asked for its owner's code: another key would be another person. */
	if (method == SSH_AUTH_METHOD_PUBLICKEY && !server->halfway)
		return ask_for_key(server, message);
	if (method == SSH_AUTH_METHOD_INTERACTIVE)
		return ask_for_code(server, message);
	if (method == SSH_AUTH_METHOD_NONE) {
		(void)ssh_message_reply_default(message);
		return false;
	}
	send_banner(server);
	fail(server, message);
	return false;
}
