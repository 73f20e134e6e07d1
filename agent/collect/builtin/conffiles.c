/* Configuration files that differ from what their package brought (dpkg), by the sums that dpkg keeps:
 * names and states, never contents. What dpkg -V takes minutes for, this says of /etc in a moment. */
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <towline/str.h>

#include "collect/builtin/builtin.h"
#include "collect/builtin/snapshot.h"
#include "collect/interrupt.h"

#define STATUS "/var/lib/dpkg/status"
#define FILE_BYTES (4 * 1024 * 1024)
#define FILES_MAX 20000
#define MD5_HEX 32

struct survey {
	struct collect_context *context;
	json_t *items;
	char package[256];
	bool inside; /* a list of configuration files */
	int files;
};

static inline void file_auto_(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* "changed", "missing", "unreadable", or NULL: as the package brought it. */
static const char *state_of(const struct survey *survey, const char *path, const char *sum)
{
	tl_auto(tl_buf) struct tl_buf bytes = TL_BUF_SECRET_INIT(FILE_BYTES);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char full[PATH_MAX], hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned int len = 0;
	struct stat status;

	snprintf(full, sizeof full, "%s%s", survey->context->root, path);
	if (stat(full, &status) < 0)
		return "missing";
	if (!S_ISREG(status.st_mode) || status.st_size >= FILE_BYTES)
		return "changed";
	if (snapshot_load(survey->context, path, &bytes) != (size_t)status.st_size)
		return "unreadable";
	if (EVP_Digest(tl_buf_str(&bytes), bytes.len, digest, &len, EVP_md5(), NULL) != 1)
		return "unreadable"; /* a policy without MD5 */
	tl_hex_encode(digest, len, hex);
	return tl_streq(hex, sum) ? NULL : "changed";
}

/* " /etc/x 0123… obsolete": what is obsolete belongs to nobody any more. */
static void take_file(struct survey *survey, char *line)
{
	char *words[3];
	size_t count = snapshot_words(line, words, 3);
	const char *state;

	if (count != 2 || *words[0] != '/' || strlen(words[1]) != MD5_HEX ||
	    survey->files++ >= FILES_MAX || collect_excluded(survey->context, words[0]))
		return;
	state = state_of(survey, words[0], words[1]);
	if (state)
		snapshot_add(survey->items, words[0],
			     json_pack("{s:s, s:o}", "state", state, "package",
				       snapshot_text(survey->package)));
}

static void take_line(struct survey *survey, char *line)
{
	if (survey->inside && *line == ' ') {
		take_file(survey, line);
		return;
	}
	survey->inside = tl_streq(line, "Conffiles:");
	if (tl_str_starts(line, "Package: "))
		snprintf(survey->package, sizeof survey->package, "%s", line + strlen("Package: "));
}

int collect_conffiles(struct collect_context *context, struct tl_err *err)
{
	tl_json *items = json_array();
	struct survey survey = {.context = context, .items = items};
	char path[PATH_MAX];
	tl_cleanup(file_auto_) FILE *in = NULL;
	tl_free char *line = NULL;
	size_t room = 0;
	int r = 0;

	snprintf(path, sizeof path, "%s%s", context->root, STATUS);
	in = fopen(path, "re");
	if (!in) {
		context->outcome = "absent";
		return 0;
	}
	while (r == 0 && getline(&line, &room, in) > 0 && !collect_expired(context, STATUS)) {
		line[strcspn(line, "\n")] = '\0';
		take_line(&survey, line);
		r = interrupt_check(err);
	}
	return r < 0 ? r : snapshot_write(context, "conffiles", items, err);
}
