import Xln
print(version())
