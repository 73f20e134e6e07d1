#include <towline/bundle_command.h>

#include <errno.h>
#include <fcntl.h>
#include <towline/bundle.h>
#include <towline/bundle_diff.h>
#include <towline/bundle_inspect.h>
#include <towline/crypto.h>
#include <towline/str.h>

static struct tl_unseal_key key_of(const struct tl_cli *cli)
{
	return (struct tl_unseal_key){tl_cli_get(cli, "key"), tl_cli_get(cli, "cert")};
}

static int search(const struct tl_cli *cli, int fd, int *ret_status, struct tl_err *err)
{
	const char *regex = tl_cli_get(cli, "regex");
	struct tl_bundle_search what = {
		.text = regex ? regex : tl_cli_get(cli, "search"),
		.is_regex = regex != NULL,
		.json = tl_cli_has(cli, "json"),
	};
	const char *max = tl_cli_get(cli, "max");
	uint64_t found = 0;
	int r;

	if (regex && tl_cli_has(cli, "search"))
		return tl_err_set(err, TL_EUSAGE, "--search and --regex exclude each other");
	if (max && tl_str_u64(max, UINT64_MAX, &what.max))
		return tl_err_set(err, TL_EUSAGE, "--max needs a number of lines");
	r = tl_bundle_search(fd, &what, stdout, &found, err);
	if (r == 0)
		*ret_status = found == 0;
	return r;
}

/* Of the file as it was sent: what the signature is about. */
static int hash_sealed(const char *path, char *hex, const char **ret_sha256, struct tl_err *err)
{
	tl_auto(tl_sealed_facts) struct tl_sealed_facts facts = {.bytes = 0};
	tl_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0 || !tl_sealed_fd(fd))
		return 0;
	r = tl_sealed_check(fd, TL_SEALED_MAX_BYTES, &facts, err);
	if (r < 0)
		return r;
	memcpy(hex, facts.sha256, sizeof facts.sha256);
	*ret_sha256 = hex;
	return 0;
}

static int verify(const struct tl_cli *cli, int fd, tl_bundle_second_look *second_look,
		  struct tl_err *err)
{
	struct tl_bundle_signature signature = {
		.path = tl_cli_get(cli, "signature"),
		.public_key = tl_cli_get(cli, "host-key"),
	};
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	char hex[TL_SHA256_HEX];
	int r;

	if (signature.path) {
		r = hash_sealed(tl_cli_operand(cli, 0), hex, &signature.file_sha256, err);
		if (r == 0)
			r = tl_bundle_verify(fd, &signature, err);
	} else {
		r = lseek(fd, 0, SEEK_SET) == 0
			    ? tl_bundle_check(fd, &tl_bundle_limits_default, &facts, err)
			    : tl_err_sys(err, TL_EIO, errno, "the bundle cannot be read again");
	}
	if (r < 0)
		return r;
	puts("The bundle is whole: each file is as its index says.");
	if (signature.path)
		puts(signature.public_key ? "The signature is the host's and fits."
					  : "The signature fits; who made it was not checked: give "
					    "--host-key.");
	return second_look ? second_look(fd, err) : 0;
}

int tl_bundle_command_inspect(const struct tl_cli *cli, tl_bundle_second_look *second_look,
			      int *ret_status, struct tl_err *err)
{
	struct tl_unseal_key key = key_of(cli);
	tl_fd int fd = -1;
	int r;

	if (tl_cli_has(cli, "signature") && !tl_cli_has(cli, "verify"))
		return tl_err_set(err, TL_EUSAGE, "--signature belongs to --verify");
	r = tl_bundle_open(tl_cli_operand(cli, 0), &key, &fd, err);
	if (r < 0)
		return r;
	if (tl_cli_has(cli, "search") || tl_cli_has(cli, "regex"))
		return search(cli, fd, ret_status, err);
	if (tl_cli_has(cli, "show"))
		return tl_bundle_show(fd, tl_cli_get(cli, "show"), stdout, err);
	if (tl_cli_has(cli, "verify"))
		return verify(cli, fd, second_look, err);
	return tl_bundle_inspect(fd, stdout, tl_cli_has(cli, "json"), err);
}

static int print_json(const json_t *changes, struct tl_err *err)
{
	tl_json *json = json_pack("{s:i, s:b, s:O}", "schema", 1, "differ",
				  tl_changes_differ(changes), "changes", changes);

	if (!json || json_dumpf(json, stdout, JSON_COMPACT | JSON_SORT_KEYS) != 0)
		return tl_err_set(err, TL_EIO, "the changes cannot be printed");
	putchar('\n');
	return 0;
}

int tl_bundle_command_diff(const struct tl_cli *cli, int *ret_status, struct tl_err *err)
{
	struct tl_unseal_key key = key_of(cli);
	tl_auto(tl_snapshot) struct tl_snapshot *before = NULL, *after = NULL;
	tl_json *changes = NULL;
	int r = tl_snapshot_load(tl_cli_operand(cli, 0), &key, &before, err);

	if (r == 0)
		r = tl_snapshot_load(tl_cli_operand(cli, 1), &key, &after, err);
	if (r == 0)
		r = tl_snapshot_compare(before, after, tl_cli_has(cli, "all"), &changes, err);
	if (r < 0)
		return r;
	if (tl_cli_has(cli, "json"))
		r = print_json(changes, err);
	else
		tl_changes_print(changes, stdout);
	*ret_status = tl_changes_differ(changes);
	return r;
}
