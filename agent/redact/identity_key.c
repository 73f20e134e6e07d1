#include "redact/identity_key.h"

#include <stdio.h>
#include <string.h>
#include <towline/crypto.h>
#include <towline/fs.h>

#define HEX_LEN (2 * TL_IDENTITY_KEY_LEN)

static int make_key(int dir_fd, struct tl_err *err)
{
	uint8_t key[TL_IDENTITY_KEY_LEN];
	char text[HEX_LEN + 2];
	int r;

	tl_random(key, sizeof key);
	tl_hex_encode(key, sizeof key, text);
	text[HEX_LEN] = '\n';
	r = tl_fs_create_file(dir_fd, TL_PSEUDONYM_KEY_FILE, 0600, text, HEX_LEN + 1, err);
	tl_wipe(key, sizeof key);
	tl_wipe(text, sizeof text);
	return r == TL_EEXIST ? 0 : r; /* another collector was faster: its key holds */
}

int tl_identity_key_load(const char *state_dir, uint8_t ret_key[static TL_IDENTITY_KEY_LEN],
			 struct tl_err *err)
{
	tl_auto(tl_buf) struct tl_buf text = TL_BUF_SECRET_INIT(HEX_LEN + 2);
	uint8_t key[TL_IDENTITY_KEY_LEN];
	tl_fd int dir_fd = -1;
	int r = tl_fs_make_dir(state_dir, 0700, &dir_fd, err);

	if (r < 0)
		return r;
	r = tl_fs_read_secret(dir_fd, TL_PSEUDONYM_KEY_FILE, &text, err);
	if (r == TL_ENOENT) {
		tl_buf_reset(&text);
		r = make_key(dir_fd, err);
		if (r == 0)
			r = tl_fs_read_secret(dir_fd, TL_PSEUDONYM_KEY_FILE, &text, err);
	}
	if (r < 0 && r != TL_ETOOBIG)
		return r;
	while (text.len > 0 && text.data[text.len - 1] > 0 && text.data[text.len - 1] <= ' ')
		text.data[--text.len] = '\0';
	if (r < 0 || text.len != HEX_LEN || tl_hex_decode(text.data, key, sizeof key) < 0)
		return tl_err_set(err, TL_EINVAL,
				  "%s/%s is no key: it has to be %d hexadecimal digits", state_dir,
				  TL_PSEUDONYM_KEY_FILE, HEX_LEN);
	memcpy(ret_key, key, sizeof key);
	tl_wipe(key, sizeof key);
	return 0;
}

int tl_identity_state_dir(char ret_path[static PATH_MAX], struct tl_err *err)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const char *given = getenv("TOWLINE_STATE");
	int len = -1;

	if (given && *given == '/')
		len = snprintf(ret_path, PATH_MAX, "%s", given);
	else if (geteuid() == 0)
		len = snprintf(ret_path, PATH_MAX, "%s", TL_PSEUDONYM_STATE_DIR);
	else if (state && *state == '/')
		len = snprintf(ret_path, PATH_MAX, "%s/towline", state);
	else if (home && *home == '/')
		len = snprintf(ret_path, PATH_MAX, "%s/.local/state/towline", home);
	return len > 0 && len < PATH_MAX
		       ? 0
		       : tl_err_set(err, TL_ECONFIG,
				    "there is no place for the key of pseudonyms: set HOME");
}
