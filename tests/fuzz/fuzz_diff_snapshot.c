/* Two snapshots of hostile hosts are compared and printed: the input is both, parted by a zero byte, behind a
 * byte that says of which kind they are. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <towline/bundle_diff.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tl_snapshot *parse(const char *name, const char *text, size_t len)
{
	struct tl_snapshot *snapshot = NULL;

	if (tl_snapshot_parse(name, text, len, &snapshot, NULL) != 0 && snapshot)
		abort();
	return snapshot;
}

static void compare(const struct tl_snapshot *before, const struct tl_snapshot *after, bool all)
{
	tl_json *changes = NULL;
	tl_free char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (tl_snapshot_compare(before, after, all, &changes, NULL) != 0)
		abort();
	out = open_memstream(&text, &len);
	tl_changes_print(changes, out);
	fclose(out);
	if (memchr(text, '\033', len))
		abort();
	if (before == after && tl_changes_differ(changes))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"snapshot/health.json", "snapshot/units.json",
					    "snapshot/packages.tsv", "snapshot/listing/x.tsv",
					    "INDEX.json"};
	const char *text = (const char *)data + 1, *zero, *name;
	tl_auto(tl_snapshot) struct tl_snapshot *before = NULL, *after = NULL;

	if (size < 2)
		return 0;
	name = names[data[0] % TL_ARRAY_LEN(names)];
	zero = memchr(text, '\0', size - 1);
	before = parse(name, text, zero ? (size_t)(zero - text) : size - 1);
	after = zero ? parse(name, zero + 1, size - 2 - (size_t)(zero - text)) : NULL;
	if (before)
		compare(before, before, true);
	if (before && after)
		compare(before, after, size % 2);
	return 0;
}
