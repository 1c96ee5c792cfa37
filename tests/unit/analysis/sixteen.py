"""Sixteen invented times with ties, for numbers made in R 4.2 (survival 3.5-3, cmprsk 2.2-11).

t <- c(1,2,2,3,3,4,5,5,6,7,7,8,9,9,10,12)
st <- c(1,2,0,1,2,0,1,2,1,0,2,1,0,1,2,0)   # 0 censored, 1 event, 2 competing
x, y, h, g as below; e <- as.integer(st > 0); en <- pmax(0, t - c(8, 4, 6, 9))
"""

DAYS = [1, 2, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 12]
MARKS = "EXCEXCEXECXECEXC"
ANY = MARKS.replace("X", "E")
COLUMNS = {
    "x": [0.5, -1, 0.3, 1.2, 0.1, -0.4, 0.9, -0.7, 0.2, -0.3, 0.6, 1.1, -0.8, -0.2, 0.4, 0],
    "y": [1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 1, 0, 1],
    "h": list("bacacbabcaabbcac"),
    "g": [1, 2] * 8,
}
ENTRY = [max(0, day - back) for day, back in zip(DAYS, [8, 4, 6, 9] * 4, strict=True)]
