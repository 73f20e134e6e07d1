/* towline-relay init: a new relay in a directory. relay.yaml is written last: a directory without it
 * holds no relay, and what an interrupted init left there is made anew. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/json.h>

#include "desk/change.h"
#include "desk/people.h"
#include "relay/ca.h"
#include "relay/relay.h"

#define PEM_MAX 16384

static const char *const made_files[] = {
	"ca.pem",	 "ca.key",    "server.pem",   "server.key",
	"authority.key", "token.key", "ssh_host.key", "ssh_user_ca.key",
};

static const char *option_or(const struct tl_cli *cli, const char *name, const char *fallback)
{
	const char *value = tl_cli_get(cli, name);

	return value ? value : fallback;
}

static int claim_directory(const char *path, int *ret_dir_fd, struct tl_err *err)
{
	tl_fd int dir_fd = -1;
	size_t i;
	int r;

	if ((r = tl_fs_make_dir(path, 0700, &dir_fd, err)))
		return r;
	if (faccessat(dir_fd, "relay.yaml", F_OK, 0) == 0)
		return tl_err_set(err, TL_EEXIST,
				  "%s holds a relay already; choose another directory", path);
	if (fchmod(dir_fd, 0700))
		return tl_err_sys(err, TL_EIO, errno, "cannot make %s private", path);
	for (i = 0; i < TL_ARRAY_LEN(made_files); i++)
		if ((r = tl_fs_remove(dir_fd, made_files[i], err)))
			return r;
	*ret_dir_fd = tl_steal_fd(&dir_fd);
	return 0;
}

static int make_key(int dir_fd, const char *name, struct tl_err *err)
{
	tl_auto(tl_key) struct tl_key *key = NULL;
	int r;

	if ((r = tl_key_generate(&key, err)))
		return r;
	return tl_key_save(key, dir_fd, name, err);
}

static int server_names(const struct tl_cli *cli, struct tl_strv *names, struct tl_err *err)
{
	const char *extra = option_or(cli, "host", "");
	tl_free char *copy = strdup(extra);
	char *at = copy, *name;
	int r;

	while (copy && (name = strsep(&at, ",")))
		if (*name && (r = tl_strv_push(names, name)))
			return tl_err_set(err, r, "out of memory");
	if ((r = tl_strv_push(names, "localhost")) || (r = tl_strv_push(names, "127.0.0.1")) ||
	    (r = tl_strv_push(names, "::1")))
		return tl_err_set(err, r, "out of memory");
	return 0;
}

static int write_pair(int dir_fd, const char *certificate_name, const struct tl_buf *certificate,
		      const char *key_name, const struct tl_buf *key, struct tl_err *err)
{
	int r;

	if ((r = tl_fs_write_file(dir_fd, key_name, 0600, key->data, key->len, err)))
		return r;
	return tl_fs_write_file(dir_fd, certificate_name, 0644, certificate->data, certificate->len,
				err);
}

static int make_certificates(const struct tl_cli *cli, int dir_fd, struct tl_err *err)
{
	tl_auto(tl_strv) struct tl_strv names = TL_STRV_INIT;
	tl_auto(tl_buf) struct tl_buf ca_pem = TL_BUF_INIT(PEM_MAX);
	tl_auto(tl_buf) struct tl_buf ca_key = TL_BUF_SECRET_INIT(PEM_MAX);
	tl_auto(tl_buf) struct tl_buf pem = TL_BUF_INIT(PEM_MAX);
	tl_auto(tl_buf) struct tl_buf key = TL_BUF_SECRET_INIT(PEM_MAX);
	tl_auto(tl_ca) struct tl_ca *ca = NULL;
	int r;

	if ((r = server_names(cli, &names, err)) ||
	    (r = tl_ca_new(option_or(cli, "name", "Towline"), &ca, err)) ||
	    (r = tl_ca_write(ca, &ca_pem, &ca_key, err)) ||
	    (r = tl_ca_issue(ca, &names, &pem, &key, err)) ||
	    (r = write_pair(dir_fd, "ca.pem", &ca_pem, "ca.key", &ca_key, err)))
		return r;
	tl_buf_append(&pem, ca_pem.data, ca_pem.len); /* the chain, as servers send it */
	return write_pair(dir_fd, "server.pem", &pem, "server.key", &key, err);
}

/* A JSON string is a YAML double-quoted one. */
static void yaml_line(struct tl_buf *out, const char *key, const char *value)
{
	tl_json *text = json_string(value);
	tl_free char *quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;

	if (quoted)
		tl_buf_printf(out, "%s: %s\n", key, quoted);
	else
		out->failed = true;
}

static int write_config(const struct tl_cli *cli, int dir_fd, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf yaml = TL_BUF_INIT(16384);
	struct tl_id id = tl_id_new(tl_clock_system());
	int r;

	tl_buf_puts(&yaml, "# Written by towline-relay init. All keys: relay.yaml(5).\n");
	yaml_line(&yaml, "id", id.text);
	yaml_line(&yaml, "name", option_or(cli, "name", "Towline"));
	yaml_line(&yaml, "listen", option_or(cli, "listen", "[::]:8443"));
	yaml_line(&yaml, "ssh_listen", option_or(cli, "ssh-listen", "[::]:8022"));
	yaml_line(&yaml, "store", option_or(cli, "store", "sqlite:relay.db"));
	if (tl_cli_get(cli, "public-url"))
		yaml_line(&yaml, "public_url", tl_cli_get(cli, "public-url"));
	if ((r = tl_buf_check(&yaml)))
		return tl_err_set(err, r, "the configuration would be too long");
	return tl_fs_create_file(dir_fd, "relay.yaml", 0600, yaml.data, yaml.len, err);
}

static int make_organisation(struct tl_change *change, void *arg, struct tl_err *err)
{
	return tl_organisation_ensure(change, *(const char **)arg, err);
}

/* The store comes before relay.yaml: once that file is there, everything is. */
static int make_store(const struct tl_cli *cli, const char *dir, struct tl_err *err)
{
	const char *url = option_or(cli, "store", "sqlite:relay.db");
	tl_auto(tl_store) struct tl_store *store = NULL;
	const char *name = option_or(cli, "name", "Towline");
	struct tl_change change;
	tl_free char *beside = NULL;
	int r;

	if (tl_str_starts(url, "sqlite:") && url[7] != '/') {
		if (asprintf(&beside, "sqlite:%s/%s", dir, url + 7) < 0)
			return tl_err_set(err, TL_ENOMEM, "out of memory");
		url = beside;
	}
	if ((r = tl_store_open(url, &store, err)) || (r = tl_store_migrate(store, err)))
		return r;
	tl_change_init_system(&change, store, tl_clock_system(), NULL, make_organisation, &name);
	return tl_change_run(&change, err);
}

int tl_relay_init(const struct tl_cli *cli, struct tl_err *err)
{
	const char *path = tl_cli_operand(cli, 0);
	tl_fd int dir_fd = -1;
	tl_free char *dir = NULL;
	int r;

	umask(077);
	if ((r = claim_directory(path, &dir_fd, err)))
		return r;
	dir = realpath(path, NULL);
	if (!dir)
		return tl_err_sys(err, TL_EIO, errno, "cannot resolve %s", path);
	if ((r = make_certificates(cli, dir_fd, err)) ||
	    (r = make_key(dir_fd, "authority.key", err)) ||
	    (r = make_key(dir_fd, "token.key", err)) ||
	    (r = make_key(dir_fd, "ssh_host.key", err)) ||
	    (r = make_key(dir_fd, "ssh_user_ca.key", err)) || (r = make_store(cli, dir, err)) ||
	    (r = write_config(cli, dir_fd, err)))
		return r;
	printf("Relay made in %s.\nNext: towline-relay -c %s/relay.yaml user add …, then serve.\n",
	       dir, dir);
	return 0;
}
