// swift-tools-version:5.10
import PackageDescription

// On Linux the library is one of the system's, found through XLN_LIBRARY_DIR or the linker's own paths. Elsewhere it is an
// XCFramework that `build-xcframework.sh` makes.
#if os(Linux)
let library: Target = .systemLibrary(name: "XlnFFI", path: "Sources/XlnFFI")
let search = Context.environment["XLN_LIBRARY_DIR"].map { [LinkerSetting.unsafeFlags(["-L", $0])] } ?? []
#else
let library: Target = .binaryTarget(name: "XlnFFI", path: "XlnFFI.xcframework")
let search: [LinkerSetting] = []
#endif

let package = Package(
    name: "Xln",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "Xln", targets: ["Xln"])],
    targets: [
        library,
        .target(name: "Xln", dependencies: ["XlnFFI"], linkerSettings: search),
        .executableTarget(name: "xln-sample", dependencies: ["Xln"]),
        .testTarget(name: "XlnTests", dependencies: ["Xln"]),
    ]
)
