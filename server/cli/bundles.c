#include "cli/api.h"
#include "cli/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/bundle_command.h>
#include <towline/bundle_inspect.h>
#include <towline/crypto.h>
#include <towline/fs.h>
#include <towline/id.h>

#define DIFF_TROUBLE 2 /* as of diff(1) */

/* A bundle's id: the operand itself, or the newest bundle of the ticket that it names. */
static int resolve_bundle(struct tl_api *api, const char *operand, struct tl_buf *id,
			  struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_json *ticket = NULL;
	const json_t *bundles;
	int rc;

	if (tl_id_is_valid(operand)) {
		tl_buf_puts(id, operand);
		return tl_buf_check(id);
	}
	if (!tl_str_is_name(operand, 32))
		return tl_err_set(err, TL_EUSAGE, "\"%s\" is neither a bundle nor a ticket",
				  operand);
	tl_buf_printf(&path, "/v1/tickets/%s", operand);
	rc = tl_api_get(api, tl_buf_str(&path), &ticket, err);
	if (rc)
		return rc;
	bundles = json_object_get(ticket, "bundles");
	if (json_array_size(bundles) == 0)
		return tl_err_set(err, TL_ENOENT, "%s has no bundle", operand);
	tl_buf_puts(id, json_string_value(json_object_get(
				json_array_get(bundles, json_array_size(bundles) - 1), "id")));
	return tl_buf_check(id);
}

static int hash_file(int fd, char hex[static TL_SHA256_HEX], struct tl_err *err)
{
	tl_auto(tl_sha256) struct tl_sha256 *hash = tl_sha256_new();
	uint8_t digest[TL_SHA256_LEN];
	char piece[65536];
	ssize_t got;

	if (!hash || lseek(fd, 0, SEEK_SET) < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot read the bundle back");
	while ((got = read(fd, piece, sizeof piece)) > 0)
		tl_sha256_update(hash, piece, (size_t)got);
	if (got < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot read the bundle back");
	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
	return 0;
}

/* Downloads beside `name`, checks the hash that the relay recorded, and only then gives it the
 * name. */
static int download(struct tl_api *api, const json_t *facts, const char *name, struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	tl_auto(tl_buf) struct tl_buf partial = TL_BUF_INIT(4096);
	char hex[TL_SHA256_HEX];
	tl_fd int fd = -1;
	int rc;

	tl_buf_printf(&path, "/v1/bundles/%s/content",
		      json_string_value(json_object_get(facts, "id")));
	tl_buf_printf(&partial, "%s.part", name);
	fd = open(tl_buf_str(&partial), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return tl_err_sys(err, TL_EIO, errno, "cannot write %s", tl_buf_str(&partial));
	rc = tl_api_download(api, tl_buf_str(&path), fd, err);
	if (rc == 0)
		rc = hash_file(fd, hex, err);
	if (rc == 0 && !tl_streq(hex, json_string_value(json_object_get(facts, "sha256"))))
		rc = tl_err_set(err, TL_ESIG, "the bundle's SHA-256 is not the recorded one");
	if (rc == 0 && rename(tl_buf_str(&partial), name) != 0)
		rc = tl_err_sys(err, TL_EIO, errno, "cannot write %s", name);
	if (rc)
		unlink(tl_buf_str(&partial));
	return rc;
}

static int find_bundle(struct tl_api *api, const char *operand, json_t **ret_facts,
		       struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf id = TL_BUF_INIT(64);
	tl_auto(tl_buf) struct tl_buf path = TL_BUF_INIT(128);
	int rc = resolve_bundle(api, operand, &id, err);

	if (rc)
		return rc;
	tl_buf_printf(&path, "/v1/bundles/%s", tl_buf_str(&id));
	rc = tl_api_get(api, tl_buf_str(&path), ret_facts, err);
	if (rc == 0 && !json_is_string(json_object_get(*ret_facts, "id")))
		rc = tl_err_set(err, TL_EPROTO, "the relay's answer names no bundle");
	return rc;
}

int tl_command_bundle_get(const struct tl_cli *cli, struct tl_err *err)
{
	tl_auto(tl_api) struct tl_api *api = NULL;
	tl_auto(tl_buf) struct tl_buf name = TL_BUF_INIT(4096);
	tl_json *facts = NULL;
	bool sealed;
	int rc = tl_api_open(cli, &api, err);

	if (rc == 0)
		rc = find_bundle(api, tl_cli_operand(cli, 0), &facts, err);
	if (rc)
		return rc;
	sealed = json_is_true(json_object_get(facts, "sealed"));
	if (tl_cli_has(cli, "output"))
		tl_buf_puts(&name, tl_cli_get(cli, "output"));
	else
		tl_buf_printf(&name, "%s.tar.zst%s",
			      json_string_value(json_object_get(facts, "id")),
			      sealed ? TL_SEALED_SUFFIX : "");
	rc = download(api, facts, tl_buf_str(&name), err);
	if (rc == 0)
		printf("%s\n", tl_buf_str(&name));
	if (rc == 0 && sealed)
		fputs("It is sealed: \"towline bundle inspect --key KEY --cert CERT\" opens it.\n",
		      stderr);
	return rc;
}

static int exit_status; /* of a command that succeeded */
static bool is_diff;

int tl_command_bundle_status(int failed)
{
	if (failed)
		return is_diff ? DIFF_TROUBLE : failed;
	return exit_status;
}

int tl_command_bundle_inspect(const struct tl_cli *cli, struct tl_err *err)
{
	return tl_bundle_command_inspect(cli, NULL, &exit_status, err);
}

int tl_command_bundle_diff(const struct tl_cli *cli, struct tl_err *err)
{
	is_diff = true;
	return tl_bundle_command_diff(cli, &exit_status, err);
}

int tl_command_bundle_extract(const struct tl_cli *cli, struct tl_err *err)
{
	struct tl_unseal_key key = {tl_cli_get(cli, "key"), tl_cli_get(cli, "cert")};
	const char *directory = tl_cli_operand(cli, 1);
	tl_fd int fd = -1;
	int rc = tl_bundle_open(tl_cli_operand(cli, 0), &key, &fd, err);

	if (rc == 0)
		rc = tl_bundle_extract(fd, directory ? directory : ".", err);
	return rc;
}
