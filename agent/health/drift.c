/* Configuration drift: packages' files in /etc that are no longer as they were delivered, by dpkg's own sums.
 * Only how many, and their names. */
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/stat.h>

#include "health/run.h"

#define TIME_MAX_MS 150
#define CHECK_EVERY 16 /* files, between two looks at the clock */
#define FILE_BYTES_MAX (1024 * 1024)
#define LINE_MAX_BYTES 4096

/* Hex of the file's MD5: not for safety, it is what dpkg keeps. False when it cannot be read. */
static bool md5_of(const struct health_run *run, const char *path, char hex[static 33])
{
	static unsigned char bytes[64 * 1024];
	unsigned char sum[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = NULL;
	char full[4096];
	struct stat file;
	ssize_t n = 0;
	bool is_read;
	tl_fd int fd = -1;

	if (health_path(run, path, full))
		fd = open(full, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &file) != 0 || !S_ISREG(file.st_mode) ||
	    file.st_size > FILE_BYTES_MAX)
		return false;
	context = EVP_MD_CTX_new();
	is_read = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;
	while (is_read && (n = read(fd, bytes, sizeof bytes)) > 0)
		is_read = EVP_DigestUpdate(context, bytes, (size_t)n) == 1;
	is_read = is_read && n == 0 && EVP_DigestFinal_ex(context, sum, NULL) == 1;
	EVP_MD_CTX_free(context);
	if (is_read)
		tl_hex_encode(sum, 16, hex);
	return is_read;
}

struct drift {
	double count;
	struct tl_buf names;
	bool is_whole;
};

/* " /etc/file 0123…" with perhaps " obsolete" or " remove-on-upgrade" behind it: those are not asked. */
static void check_line(const struct health_run *run, const char *line, struct drift *drift)
{
	char path[1024], sum[40], rest[16], own[33];

	if (sscanf(line, " %1023s %39s %15s", path, sum, rest) != 2 || strlen(sum) != 32 ||
	    !md5_of(run, path, own) || tl_streq(sum, own))
		return;
	drift->count++;
	if (drift->names.len + strlen(path) + 2 <= TL_HEALTH_TEXT_MAX - 8)
		tl_buf_printf(&drift->names, "%s%s", drift->names.len ? ", " : "", path);
}

static void check_database(const struct health_run *run, FILE *database, struct drift *drift)
{
	int64_t until_ms = health_now_ms() + TIME_MAX_MS;
	char line[LINE_MAX_BYTES];
	bool is_listed = false;
	size_t checked = 0;

	while (drift->is_whole && fgets(line, sizeof line, database)) {
		if (line[0] != ' ') {
			is_listed = tl_str_starts(line, "Conffiles:");
		} else if (is_listed) {
			check_line(run, line, drift);
			drift->is_whole = ++checked % CHECK_EVERY || health_now_ms() < until_ms;
		}
	}
}

void health_probe_drift(struct health_run *run)
{
	struct drift drift = {.is_whole = true, .names = TL_BUF_INIT(TL_HEALTH_TEXT_MAX)};
	char full[4096];
	FILE *database = health_path(run, "/var/lib/dpkg/status", full) ? fopen(full, "re") : NULL;

	if (!database)
		return;
	check_database(run, database, &drift);
	fclose(database);
	if (!drift.is_whole)
		tl_buf_puts(&drift.names, " …");
	health_number(run, "changed_configuration_files", NULL, drift.count,
		      drift.names.len ? tl_buf_str(&drift.names) : NULL);
	tl_buf_clear(&drift.names);
}
