#include "ssh/algorithms.h"

#include <libssh/server.h>

#include "ssh/keys.h"

/* libssh closes what it was given; until it took over, the descriptor stays the caller's. */
static int session_new(ssh_session *ret_session, struct tl_err *err)
{
	ssh_session session = ssh_new();
	int off = 0, rsa_bits = TL_SSH_RSA_BITS_MIN;

	if (!session)
		return tl_err_set(err, TL_ENOMEM, "no memory for an SSH session");
	ssh_set_blocking(session, 0);
	/* Without compression: a hostile peer's inflates, and lengths tell what was typed. */
	if (ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off) < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_COMPRESSION_C_S, "none") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_COMPRESSION_S_C, "none") < 0 ||
	    ssh_options_set(session, SSH_OPTIONS_RSA_MIN_SIZE, &rsa_bits) < 0) {
		ssh_free(session);
		return tl_err_set(err, TL_EINTERNAL, "SSH options");
	}
	*ret_session = session;
	return 0;
}

struct bind_option {
	enum ssh_bind_options_e option;
	const char *value;
};

static const struct bind_option server_options[] = {
	{SSH_BIND_OPTIONS_KEY_EXCHANGE, TL_SSH_KEX},
	{SSH_BIND_OPTIONS_CIPHERS_C_S, TL_SSH_CIPHERS},
	{SSH_BIND_OPTIONS_CIPHERS_S_C, TL_SSH_CIPHERS},
	{SSH_BIND_OPTIONS_HMAC_C_S, TL_SSH_MACS},
	{SSH_BIND_OPTIONS_HMAC_S_C, TL_SSH_MACS},
	{SSH_BIND_OPTIONS_HOSTKEY_ALGORITHMS, TL_SSH_HOST_KEYS},
	{SSH_BIND_OPTIONS_PUBKEY_ACCEPTED_KEY_TYPES, TL_SSH_USER_KEYS},
	{SSH_BIND_OPTIONS_BANNER, TL_SSH_VERSION},
};

static int bind_setup(ssh_bind bind, const struct tl_key *host_key, struct tl_err *err)
{
	ssh_key key = NULL;
	bool config = false;
	int rc, rsa_bits = TL_SSH_RSA_BITS_MIN;

	if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &config) != SSH_OK ||
	    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_RSA_MIN_SIZE, &rsa_bits) != SSH_OK)
		return tl_err_set(err, TL_EINTERNAL, "SSH server options: %s", ssh_get_error(bind));
	for (size_t i = 0; i < TL_ARRAY_LEN(server_options); i++)
		if (ssh_bind_options_set(bind, server_options[i].option, server_options[i].value) !=
		    SSH_OK)
			return tl_err_set(err, TL_EINTERNAL, "SSH server options: %s",
					  ssh_get_error(bind));
	rc = tl_ssh_key_import(host_key, &key, err);
	if (rc != 0)
		return rc;
	if (ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) != SSH_OK) {
		ssh_key_free(key);
		return tl_err_set(err, TL_EINTERNAL, "SSH host key: %s", ssh_get_error(bind));
	}
	return 0;
}

int tl_ssh_server_session(const struct tl_key *host_key, int fd, ssh_session *ret_session,
			  struct tl_err *err)
{
	ssh_session session = NULL;
	ssh_bind bind = ssh_bind_new();
	int rc = bind ? bind_setup(bind, host_key, err)
		      : tl_err_set(err, TL_ENOMEM, "no memory for an SSH session");

	if (rc == 0)
		rc = session_new(&session, err);
	if (rc == 0 && ssh_bind_accept_fd(bind, session, fd) != SSH_OK)
		rc = tl_err_set(err, TL_EINTERNAL, "an SSH session cannot be set up: %s",
				ssh_get_error(bind));
	if (rc == 0) {
		ssh_set_auth_methods(session, SSH_AUTH_METHOD_PUBLICKEY);
		*ret_session = session;
	} else if (session) {
		ssh_free(session);
	}
	ssh_bind_free(bind);
	return rc;
}

struct option {
	enum ssh_options_e option;
	const char *value;
};

static const struct option client_options[] = {
	{SSH_OPTIONS_HOST, "endpoint"}, /* a name libssh insists on; nothing is resolved */
	{SSH_OPTIONS_KEY_EXCHANGE, TL_SSH_KEX},
	{SSH_OPTIONS_CIPHERS_C_S, TL_SSH_CIPHERS},
	{SSH_OPTIONS_CIPHERS_S_C, TL_SSH_CIPHERS},
	{SSH_OPTIONS_HMAC_C_S, TL_SSH_MACS},
	{SSH_OPTIONS_HMAC_S_C, TL_SSH_MACS},
	{SSH_OPTIONS_HOSTKEYS, TL_SSH_HOST_KEYS},
	{SSH_OPTIONS_PUBLICKEY_ACCEPTED_TYPES, TL_SSH_USER_KEYS},
};

int tl_ssh_client_session(const char *user, int fd, ssh_session *ret_session, struct tl_err *err)
{
	ssh_session session = NULL;
	int rc = session_new(&session, err);

	for (size_t i = 0; rc == 0 && i < TL_ARRAY_LEN(client_options); i++)
		if (ssh_options_set(session, client_options[i].option, client_options[i].value) < 0)
			rc = tl_err_set(err, TL_EINTERNAL, "SSH client options: %s",
					ssh_get_error(session));
	if (rc == 0 && (ssh_options_set(session, SSH_OPTIONS_USER, user) < 0 ||
			ssh_options_set(session, SSH_OPTIONS_FD, &fd) < 0))
		rc = tl_err_set(err, TL_EINTERNAL, "SSH client options: %s",
				ssh_get_error(session));
	if (rc != 0)
		ssh_free(session);
	else
		*ret_session = session;
	return rc;
}
