# cmake -DIN=FILE -DOUT=FILE.c -P embed.cmake: a file as a zero-terminated array.
file(READ ${IN} octets HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," octets "${octets}")
file(WRITE ${OUT} "extern const char report_page[];\nconst char report_page[] = {${octets}0};\n")
