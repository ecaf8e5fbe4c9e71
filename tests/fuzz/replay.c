/**
 * @file
 * Runs a fuzz target over a folder of inputs, so that what a fuzzer once found
 * is an ordinary test with every compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_input(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* The input in a block of just its size, so that a sanitizer sees one octet too many. */
static int run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	int result = -1;
	uint8_t *data = NULL;
	long size;
	if (fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
		perror(path);
		goto close_file;
	}
	data = malloc(size > 0 ? (size_t)size : 1);
	if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		goto free_data;
	}
	LLVMFuzzerTestOneInput(data, (size_t)size);
	result = 0;
free_data:
	free(data);
close_file:
	fclose(f);
	return result;
}

static int run_folder(const char *folder, struct dirent **names, int n)
{
	int failed = 0;
	for (int i = 0; i < n; i++) {
		char path[4096];
		const int len = snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		if (len < 0 || (size_t)len >= sizeof(path) || run_file(path) != 0) {
			failed++;
		}
		free(names[i]);
	}
	return failed;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	struct dirent **names;
	const int n = scandir(argv[1], &names, is_input, alphasort);
	if (n < 0) {
		perror(argv[1]);
		return 1;
	}
	const int failed = run_folder(argv[1], names, n);
	free(names);
	if (n == 0) {
		fprintf(stderr, "%s: no inputs\n", argv[1]);
		return 1;
	}
	printf("%d inputs replayed\n", n - failed);
	return failed == 0 ? 0 : 1;
}
