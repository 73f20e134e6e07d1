#include <string.h>
#include <towline/str.h>

#include "packed.h"

#define MANIFEST "MANIFEST.json"
#define INDEX "INDEX.json"

/* Members whose contents are kept, and how much of each may be. */
enum kept { KEPT_MANIFEST, KEPT_REPORT, KEPT_ERRORS, KEPT_ANALYSIS, KEPT_INDEX, KEPT_COUNT };
static const struct {
	const char *path;
	size_t max_bytes;
} kept_rows[KEPT_COUNT] = {
	[KEPT_MANIFEST] = {MANIFEST, 256 * 1024},
	[KEPT_REPORT] = {"redaction/report.json", 8 * 1024 * 1024},
	[KEPT_ERRORS] = {"errors.jsonl", 8 * 1024 * 1024},
	[KEPT_ANALYSIS] = {"analysis/results.json", 8 * 1024 * 1024}, /* need not be there */
	[KEPT_INDEX] = {INDEX, 32 * 1024 * 1024},
};

struct check {
	struct tl_sha256 *hash;
	json_t *found; /* path → {size, sha256} */
	char path[TL_BUNDLE_PATH_MAX];
	uint64_t size;
	struct tl_buf kept[KEPT_COUNT];
	struct tl_buf *keep; /* of the member that is read now; NULL: not kept */
	bool ended;	     /* INDEX.json was there */
	char index_sha256[TL_SHA256_HEX];
};

static void check_clear(struct check *check)
{
	for (size_t i = 0; i < KEPT_COUNT; i++)
		tl_buf_clear(&check->kept[i]);
	json_decref(check->found);
	tl_sha256_free(check->hash);
}
TL_DEFINE_AUTO(check, check_clear);

static int on_member(void *arg, const struct tl_bundle_member *member, struct tl_err *err)
{
	struct check *check = arg;

	if (json_object_size(check->found) == 0 && !tl_streq(member->path, MANIFEST))
		return tl_err_set(err, TL_EINVAL, "the first member must be " MANIFEST);
	if (check->ended)
		return tl_err_set(err, TL_EINVAL, "%.200s stands behind " INDEX, member->path);
	check->ended = tl_streq(member->path, INDEX);
	memcpy(check->path, member->path, strlen(member->path) + 1);
	check->size = member->size;
	check->keep = NULL;
	for (size_t i = 0; i < KEPT_COUNT; i++)
		if (tl_streq(member->path, kept_rows[i].path))
			check->keep = &check->kept[i];
	return 0;
}

static int end_member(struct check *check, struct tl_err *err)
{
	uint8_t digest[TL_SHA256_LEN];
	char hex[TL_SHA256_HEX];
	json_t *entry;

	tl_sha256_final(check->hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
	if (check->ended)
		memcpy(check->index_sha256, hex, sizeof hex);
	entry = json_pack("{s:I, s:s}", "size", (json_int_t)check->size, "sha256", hex);
	if (json_object_set_new(check->found, check->path, entry) < 0)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle's members");
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct tl_err *err)
{
	struct check *check = arg;

	if (!bytes)
		return end_member(check, err);
	tl_sha256_update(check->hash, bytes, len);
	if (!check->keep)
		return 0;
	tl_buf_append(check->keep, bytes, len);
	return tl_buf_check(check->keep) < 0
		       ? tl_err_set(err, TL_ETOOBIG, "%s is too large", check->path)
		       : 0;
}

static int parse_kept(const struct check *check, enum kept which, json_t **ret_json,
		      struct tl_err *err)
{
	const struct tl_buf *buf = &check->kept[which];
	int r;

	if (!json_object_get(check->found, kept_rows[which].path))
		return tl_err_set(err, TL_EINVAL, "the bundle has no %s", kept_rows[which].path);
	r = tl_json_parse(tl_buf_str(buf), buf->len, ret_json, err);
	if (r < 0) {
		tl_err_prefix(err, "%s", kept_rows[which].path);
		return r;
	}
	if (!json_is_object(*ret_json))
		return tl_err_set(err, TL_EINVAL, "%s is not an object", kept_rows[which].path);
	return 0;
}

static int parse_errors(const struct check *check, json_t **ret_json, struct tl_err *err)
{
	tl_json *lines = json_array();
	const char *at = tl_buf_str(&check->kept[KEPT_ERRORS]);

	while (*at) {
		size_t len = strcspn(at, "\n");
		json_t *line = NULL;
		int r = tl_json_parse(at, len, &line, err);

		if (r < 0) {
			tl_err_prefix(err, "errors.jsonl");
			return r;
		}
		json_array_append_new(lines, line);
		at += len + (at[len] == '\n');
	}
	*ret_json = tl_steal(&lines);
	return 0;
}

static int check_schema(const json_t *json, const char *name, const char *id, struct tl_err *err)
{
	const json_t *schema = json_object_get(json, "schema");

	if (!json_is_integer(schema))
		return tl_err_set(err, TL_EINVAL, "%s names no schema", name);
	if (json_integer_value(schema) != TL_BUNDLE_SCHEMA)
		return tl_err_set(err, TL_ESCHEMA, "%s has schema %lld; this program reads %d",
				  name, (long long)json_integer_value(schema), TL_BUNDLE_SCHEMA);
	if (!tl_streq(json_string_value(json_object_get(json, "bundle")), id))
		return tl_err_set(err, TL_EINVAL, "%s is of another bundle than its top directory",
				  name);
	return 0;
}

static int check_listed(const struct check *check, const json_t *file, json_t *listed,
			struct tl_err *err)
{
	const char *path = json_string_value(json_object_get(file, "path"));
	const char *sha256 = json_string_value(json_object_get(file, "sha256"));
	const json_t *size = json_object_get(file, "size");
	const json_t *found = path ? json_object_get(check->found, path) : NULL;

	if (!path || !sha256 || !json_is_integer(size))
		return tl_err_set(err, TL_EINVAL,
				  "an entry of " INDEX " lacks path, size or sha256");
	if (!found || tl_streq(path, INDEX))
		return tl_err_set(err, TL_EINVAL, "%.200s is listed but not there", path);
	if (json_object_get(listed, path))
		return tl_err_set(err, TL_EINVAL, "%.200s is listed twice", path);
	json_object_set_new(listed, path, json_true());
	if (!json_equal(size, json_object_get(found, "size")))
		return tl_err_set(err, TL_EINVAL, "%.200s has another size than listed", path);
	if (!tl_streq(sha256, json_string_value(json_object_get(found, "sha256"))))
		return tl_err_set(err, TL_EINVAL, "%.200s has another SHA-256 than listed", path);
	return 0;
}

static int check_index(const struct check *check, const json_t *index, struct tl_err *err)
{
	const json_t *files = json_object_get(index, "files");
	tl_json *listed = json_object();
	const char *path;
	json_t *found;

	if (!json_is_array(files))
		return tl_err_set(err, TL_EINVAL, INDEX " has no list of files");
	for (size_t i = 0; i < json_array_size(files); i++) {
		int r = check_listed(check, json_array_get(files, i), listed, err);

		if (r < 0)
			return r;
	}
	json_object_foreach(check->found, path, found)
	{
		if (!tl_streq(path, INDEX) && !json_object_get(listed, path))
			return tl_err_set(err, TL_EINVAL, "%.200s is not listed in " INDEX, path);
	}
	return 0;
}

static int read_facts(const struct check *check, struct tl_bundle_facts *facts, struct tl_err *err)
{
	int r = check->ended ? 0 : tl_err_set(err, TL_EINVAL, "the last member must be " INDEX);

	if (r == 0)
		r = parse_kept(check, KEPT_MANIFEST, &facts->manifest, err);
	if (r == 0)
		r = check_schema(facts->manifest, MANIFEST, facts->id, err);
	if (r == 0)
		r = parse_kept(check, KEPT_INDEX, &facts->index, err);
	if (r == 0)
		r = check_schema(facts->index, INDEX, facts->id, err);
	if (r == 0)
		r = check_index(check, facts->index, err);
	if (r == 0)
		r = parse_kept(check, KEPT_REPORT, &facts->redaction, err);
	if (r == 0)
		r = parse_errors(check, &facts->errors, err);
	if (r == 0 && json_object_get(check->found, kept_rows[KEPT_ANALYSIS].path))
		r = parse_kept(check, KEPT_ANALYSIS, &facts->analysis, err);
	return r;
}

static void take_digest(struct tl_sha256 *hash, char hex[static TL_SHA256_HEX])
{
	uint8_t digest[TL_SHA256_LEN];

	tl_sha256_final(hash, digest);
	tl_hex_encode(digest, sizeof digest, hex);
}

int tl_bundle_check(int fd, const struct tl_bundle_limits *limits,
		    struct tl_bundle_facts *ret_facts, struct tl_err *err)
{
	tl_auto(check) struct check check = {.hash = tl_sha256_new(), .found = json_object()};
	tl_auto(tl_sha256) struct tl_sha256 *packed_hash = tl_sha256_new();
	tl_free struct packed *packed = calloc(1, sizeof *packed);
	tl_auto(tl_bundle_facts) struct tl_bundle_facts facts = {.members = 0};
	struct tl_bundle_visitor visitor = {.member = on_member, .data = on_data, .arg = &check};
	struct walk_totals totals;
	int r;

	if (!check.hash || !check.found || !packed_hash || !packed)
		return tl_err_set(err, TL_ENOMEM, "out of memory for the bundle");
	for (size_t i = 0; i < KEPT_COUNT; i++)
		tl_buf_init(&check.kept[i], kept_rows[i].max_bytes);
	packed->fd = fd;
	packed->hash = packed_hash;
	r = bundle_walk(packed, limits, &visitor, &totals, err);
	if (r < 0)
		return r;
	memcpy(facts.id, totals.id, sizeof facts.id);
	facts.packed_bytes = packed->bytes;
	facts.unpacked_bytes = totals.unpacked_bytes;
	facts.members = totals.members;
	take_digest(packed_hash, facts.sha256);
	memcpy(facts.index_sha256, check.index_sha256, sizeof facts.index_sha256);
	r = read_facts(&check, &facts, err);
	if (r < 0)
		return r;
	*ret_facts = facts;
	facts = (struct tl_bundle_facts){.members = 0};
	return 0;
}

void tl_bundle_facts_clear(struct tl_bundle_facts *facts)
{
	json_decref(facts->manifest);
	json_decref(facts->index);
	json_decref(facts->redaction);
	json_decref(facts->errors);
	json_decref(facts->analysis);
	*facts = (struct tl_bundle_facts){.members = 0};
}
