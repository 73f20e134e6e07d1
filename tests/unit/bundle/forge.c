#include "forge.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <towline/crypto.h>

#define ROOM (64 * 1024 * 1024)

struct forge {
	struct archive *archive;
	json_t *files;
	char *bytes;
	size_t len;
};

struct forge *forge_new(void)
{
	struct forge *forge = calloc(1, sizeof *forge);

	forge->archive = archive_write_new();
	forge->files = json_array();
	forge->bytes = malloc(ROOM);
	archive_write_set_format_pax_restricted(forge->archive);
	archive_write_add_filter_zstd(forge->archive);
	archive_write_set_bytes_in_last_block(forge->archive, 1);
	archive_write_open_memory(forge->archive, forge->bytes, ROOM, &forge->len);
	return forge;
}

void forge_list(struct forge *forge, const char *path, int64_t size, const char *sha256)
{
	json_array_append_new(forge->files,
			      json_pack("{s:s, s:I, s:s, s:i, s:i, s:s}", "path", path, "size",
					(json_int_t)size, "sha256", sha256, "mode", 0644, "mtime",
					0, "status", "ok"));
}

void forge_file(struct forge *forge, const char *path, const void *bytes, size_t len, bool listed)
{
	struct archive_entry *entry = archive_entry_new();
	char hex[TL_SHA256_HEX];

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0644);
	archive_entry_set_size(entry, (la_int64_t)len);
	archive_write_header(forge->archive, entry);
	archive_write_data(forge->archive, bytes, len);
	archive_entry_free(entry);
	tl_sha256_hex_of(bytes, len, hex);
	if (listed)
		forge_list(forge, path + strlen(FORGE_ID "/"), (int64_t)len, hex);
}

void forge_special(struct forge *forge, const char *path, mode_t type, const char *target,
		   bool hard)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0755);
	if (target && hard)
		archive_entry_set_hardlink(entry, target);
	else if (target)
		archive_entry_set_symlink(entry, target);
	archive_write_header(forge->archive, entry);
	archive_entry_free(entry);
}

static void forge_text(struct forge *forge, const char *path, const char *text, bool listed)
{
	forge_file(forge, path, text, strlen(text), listed);
}

void forge_manifest(struct forge *forge)
{
	forge_text(forge, FORGE_ID "/MANIFEST.json",
		   "{\"schema\":1,\"bundle\":\"" FORGE_ID "\",\"host\":\"h\\u001b[2J\"}\n", true);
}

void forge_reports(struct forge *forge)
{
	forge_text(forge, FORGE_ID "/errors.jsonl",
		   "{\"source\":\"/x\",\"kind\":\"denied\",\"text\":\"no\"}\n", true);
	forge_text(forge, FORGE_ID "/redaction/report.json",
		   "{\"schema\":1,\"files\":{},\"totals\":{\"jwt\":2}}\n", true);
}

void forge_index(struct forge *forge)
{
	json_t *index = json_pack("{s:i, s:s, s:O}", "schema", 1, "bundle", FORGE_ID, "files",
				  forge->files);
	char *text = json_dumps(index, JSON_COMPACT);

	forge_text(forge, FORGE_ID "/INDEX.json", text, false);
	free(text);
	json_decref(index);
}

char *forge_bytes(struct forge *forge, size_t *ret_len)
{
	char *bytes = forge->bytes;

	archive_write_close(forge->archive);
	*ret_len = forge->len;
	archive_write_free(forge->archive);
	json_decref(forge->files);
	free(forge);
	return bytes;
}

int forge_fd(const void *bytes, size_t len)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	if (write(fd, bytes, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
		abort();
	return fd;
}

int forge_finish(struct forge *forge)
{
	size_t len;
	char *bytes = forge_bytes(forge, &len);
	int fd = forge_fd(bytes, len);

	free(bytes);
	return fd;
}

struct forge *forge_sound(void)
{
	struct forge *forge = forge_new();

	forge_manifest(forge);
	forge_text(forge, FORGE_ID "/data/a.txt", "hello\n", true);
	forge_reports(forge);
	forge_index(forge);
	return forge;
}
